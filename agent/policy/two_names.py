"""«Мама Катя, а сына зовут Миша»: the caller's name and the child's, said in one breath."""

import re

from agent.language.ru.name_words import name_words

_CHILD = re.compile(
    r"\b(?:сын\w*|доч\w+|реб[её]н\w+|мальчик\w*|девочк\w+|внук\w*|внучк\w+|малыш\w*|его|е[её])\s+"
    r"(?:(?:у меня|мо[йяюе]\w*|имя|зовут|звать|это)\s+){0,2}([а-яё]{2,15})\b"
)
_OWN = re.compile(
    r"\b(?:меня(?:\s+зовут)?|мо[её]\s+имя|я|мам[аыу]?|пап[аыу]?|бабушк[аиу]|дедушк[аиу]|тетя|няня)\s+"
    r"(?:(?:это|зовут|его|е[её])\s+)?([а-яё]{2,15})\b"
)
_CHILD_EN = re.compile(r"\b(?:son|daughter|child|boy|girl|kid|his|her)(?:'s)?(?:\s+name)?\s+is\s+([a-z]{2,15})\b")
_OWN_EN = re.compile(r"\b(?:i'?m|i am|my name is|this is)\s+([a-z]{2,15})\b")
_ENDINGS = (("у", "а"), ("ю", "я"), ("а", ""), ("я", "й"), ("ы", "а"), ("и", "я"))
"""Oblique to nominative: «мишу» to «миша», «ивана» to «иван», «андрея» to «андрей»."""


def two_names(text: str) -> tuple[str, str]:
    """(the caller's, the child's), as they are written; empty where not told. Only names that are names."""
    text = text.lower()
    own = _first(_OWN.findall(text)) or _first_english(_OWN_EN, text)
    child = _first(_CHILD.findall(text)) or _first_english(_CHILD_EN, text)
    return own, child


def _first(words: list[str]) -> str:
    return next((name for word in words if (name := _name(word))), "")


def _name(word: str) -> str:
    known = name_words().known
    if known(word):
        return word.capitalize()
    for oblique, nominative in _ENDINGS:
        if word.endswith(oblique) and known(word[: -len(oblique)] + nominative):
            return (word[: -len(oblique)] + nominative).capitalize()
    return ""


def _first_english(pattern: "re.Pattern[str]", text: str) -> str:
    found = pattern.search(text)
    return found.group(1).capitalize() if found else ""
