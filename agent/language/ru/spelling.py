"""Words that a recogniser or a hasty typist spoilt, put back where only one word of the trade sounds alike.

Touches only words that the dictionary does not know, and only towards a closed vocabulary: days, months, numbers,
times, the commonest words of booking. «четверк» -> «четверг», «стришку» -> «стрижку». Names and other services have
their own matching by sound.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rapidfuzz.distance import DamerauLevenshtein

from agent.language.ru.calendar_words import MONTHS, RELATIVE, WEEKDAYS
from agent.language.ru.numbers import WORDS
from agent.language.ru.phonetics import sound
from agent.language.text import Token, wordlist

_MIN_LETTERS = 5
_OTHER = wordlist("вечером утром половина половину половине четверти после через неделю следующей следующую часика")

_TRADE = wordlist(
    "стрижка стрижку стрижки маникюр педикюр укладка укладку окрашивание массаж пилинг бороду бороды чистка чистку "
    "мужская мужскую женская женскую детская детскую консультация консультацию сертификат запишите записать "
    "перенести отменить перенесите отмените"
)


class Speller:
    """The closed vocabulary by sound. `known` asks the dictionary."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        words = {*WEEKDAYS, *MONTHS, *RELATIVE, *WORDS, *_OTHER, *_TRADE}
        self._vocabulary = frozenset(words)
        self._sounds = {sound(word): word for word in sorted(words) if len(word) >= _MIN_LETTERS and known(word)}

    def repair(self, tokens: Sequence[Token]) -> tuple[Token, ...]:
        """The tokens with spoilt words of the vocabulary put right; their number and places stay."""
        return tuple(self._token(token) for token in tokens)

    def _token(self, token: Token) -> Token:
        word = token.text
        if not _MIN_LETTERS <= len(word) <= 20 or token.digits or word in self._vocabulary or self._known(word):
            return token
        key = sound(word)
        if key in self._sounds:
            return replace(token, text=self._sounds[key])
        near = [
            right
            for heard, right in self._sounds.items()
            if heard[:1] == key[:1]
            and len(heard) >= _MIN_LETTERS
            and DamerauLevenshtein.distance(heard, key, score_cutoff=1) <= 1
        ]
        return replace(token, text=near[0]) if len(near) == 1 or (near and len({w[:4] for w in near}) == 1) else token
