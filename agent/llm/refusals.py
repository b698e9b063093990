"""Why a tool would not: told to the model, which may try once more."""

import re
from collections.abc import Sequence

from agent.model import Speaker, Utterance


class Refusal(Exception):  # a message to the model, not a fault of ours
    """The arguments name something that is not there, or that the client never said."""


def said_by_caller(name: str, history: Sequence[Utterance], last_words: str) -> bool:
    """Every word of the name begins as a word that the caller said: «Вероника» after «запишите Веронику»."""
    said = " ".join([*(line.text for line in history if line.speaker is Speaker.CALLER), last_words]).lower()
    words = re.findall(r"[a-zа-яё]+", said.replace("ё", "е"))
    wanted = re.findall(r"[a-zа-яё]+", name.lower().replace("ё", "е"))
    return bool(wanted) and all(any(word[:3] == part[:3] for word in words) for part in wanted)
