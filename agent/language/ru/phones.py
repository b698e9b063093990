"""Telephone numbers as people dictate them: hundreds, tens, single digits, «плюс семь», «два нуля», corrections.

Pure functions. A number may come in several turns: `Understood.phone_digits` is what this turn held, the policy joins
the pieces (`join_digits`), corrects them (`correct_digits`) and asks whether they are a number yet (`as_phone`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from agent.language.ru.numbers import Rank, number_word
from agent.language.text import Token, clean, tokenize, wordlist
from core.phone import Phone

_INSIDE = frozenset(
    wordlist(
        "плюс номер телефон код это дальше потом затем и там значит ну э мой так далее значит-с да ага "
        "записывайте пишите"
    )
)
"""Words that may stand between the groups of one number."""
_REPAIR = frozenset(
    wordlist("ой нет точнее вернее то есть пардон простите извините тьфу ошиблась ошибся стоп погодите не а")
)
_COUNTS = {"два": 2, "две": 2, "три": 3, "четыре": 4, "дважды": 2, "трижды": 3}
_PLURAL_DIGITS = {
    "нуля": 0, "нулей": 0, "нолика": 0, "нулика": 0, "ноля": 0, "единицы": 1, "единички": 1, "двойки": 2,
    "двоечки": 2, "тройки": 3,
    "троечки": 3, "четверки": 4, "пятерки": 5, "пятерочки": 5, "шестерки": 6, "семерки": 7, "семерочки": 7,
    "восьмерки": 8,
    "девятки": 9,
}  # fmt: skip
MIN_UNASKED = 7
"""Digits in a row that are a phone number although nobody asked for one."""
_MAX_SPLITS = 4
_LONGEST = 11
"""Digits of a Russian number with its prefix."""


@dataclass(frozen=True, slots=True)
class DigitRun:
    """tokens[start:end] dictate these digits."""

    start: int
    end: int
    digits: str
    plus: bool = False
    """International form was said: «плюс …» or written with +."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Digits of one number word group with its other possible readings: «девятьсот двадцать» is 920 or 900 20."""

    readings: tuple[str, ...]


def find_runs(tokens: Sequence[Token], *, minimum: int = MIN_UNASKED) -> list[DigitRun]:
    """All stretches that dictate at least `minimum` digits."""
    runs: list[DigitRun] = []
    position = 0
    while position < len(tokens):
        run = _run_at(tokens, position)
        if run is None:
            position += 1
            continue
        if len(run.digits) >= minimum:
            runs.append(run)
        position = run.end
    return runs


def _run_at(tokens: Sequence[Token], start: int) -> DigitRun | None:
    pieces: list[_Piece] = []
    starts: list[int] = []
    position, end, plus = start, start, "+" in tokens[start].gap
    while position < len(tokens):
        piece, after = _piece_at(tokens, position)
        if piece is not None:
            pieces.append(piece)
            starts.append(position)
            position = end = after
            continue
        word = tokens[position].text
        if word == "плюс" and not pieces:
            plus = True
        if word not in _INSIDE or (pieces and position - end >= 2) or (not pieces and word != "плюс"):
            break
        position += 1
    if not pieces or _day_and_time(tokens[start:end]):
        return None
    digits = _choose(pieces)
    if len(digits) > _LONGEST and not plus:
        for index in range(1, len(pieces)):
            rest = _choose(pieces[index:])
            if _whole(rest):  # «с 9 до 12, 8 945 006 17 71», «не 15 а 51: 8927…»
                return DigitRun(starts[index], end, rest, "+" in tokens[starts[index]].gap)
    return DigitRun(start, end, digits, plus)


def _day_and_time(tokens: Sequence[Token]) -> bool:
    """«15.12 10:00», «4.12 14.00»: eight digits, and no phone number."""
    return (
        3 <= len(tokens) <= 4
        and all(token.digits and len(token.text) <= 2 for token in tokens)
        and tokens[1].gap in (".", "/")
        and tokens[2].gap.strip(" ,в") == ""
    )


def _piece_at(tokens: Sequence[Token], position: int) -> tuple[_Piece | None, int]:
    token = tokens[position]
    if token.digits:
        return (_Piece((token.text,)), position + 1) if len(token.text) <= 15 else (None, position)
    if token.text in _COUNTS and position + 1 < len(tokens):
        following = tokens[position + 1].text
        if following in _PLURAL_DIGITS:
            return _Piece((str(_PLURAL_DIGITS[following]) * _COUNTS[token.text],)), position + 2
        if token.text in ("дважды", "трижды"):
            word = number_word(tokens[position + 1])
            if word is not None and word.value < 10:
                return _Piece((str(word.value) * _COUNTS[token.text],)), position + 2
    word = number_word(token, dictated=True)
    if word is None or word.ordinal or word.rank is Rank.THOUSAND or token.text in ("пара", "сотня", "сотню"):
        return None, position
    return _compound(tokens, position)


def _compound(tokens: Sequence[Token], start: int) -> tuple[_Piece, int]:
    """«девятьсот двадцать шесть» -> 926, or 900 26, or 920 6, or 900 20 6."""
    parts: list[int] = []
    last = Rank.THOUSAND.value
    position = start
    while position < len(tokens):
        word = number_word(tokens[position], dictated=True)
        if word is None or word.ordinal or word.rank in (Rank.DIGITS, Rank.THOUSAND) or word.rank.value >= last:
            break
        if parts and (word.value == 0 or (10 <= word.value < 20 and last == Rank.TEN.value)):
            break
        parts.append(word.value)
        last = word.rank.value if word.value < 10 or word.value >= 20 else Rank.UNIT.value
        position += 1
        if last == Rank.UNIT.value:
            break
    readings = [str(sum(parts))]
    for cuts in product((False, True), repeat=len(parts) - 1):
        if any(cuts):
            groups, current = [], parts[0]
            for cut, part in zip(cuts, parts[1:], strict=True):
                if cut:
                    groups.append(current)
                    current = part
                else:
                    current += part
            readings.append("".join(str(group) for group in [*groups, current]))
    return _Piece(tuple(readings)), position


def _choose(pieces: Sequence[_Piece]) -> str:
    """The reading that makes a whole Russian number; the plain reading when it does already or none can."""
    plain = "".join(piece.readings[0] for piece in pieces)
    if _whole(plain) or not 8 <= len(plain) <= 11:
        return plain
    open_pieces = [index for index, piece in enumerate(pieces) if len(piece.readings) > 1][:_MAX_SPLITS]
    best: tuple[int, str] | None = None
    for choice in product(*(range(len(pieces[index].readings)) for index in open_pieces)):
        chosen = dict(zip(open_pieces, choice, strict=True))
        text = "".join(piece.readings[chosen.get(index, 0)] for index, piece in enumerate(pieces))
        cost = sum(1 for value in choice if value)
        if _whole(text) and (best is None or cost < best[0]):
            best = (cost, text)
    return best[1] if best is not None else plain


def _whole(digits: str) -> bool:
    return (len(digits) == 10 and digits[0] in "93489") or (len(digits) == 11 and digits[0] in "78")


def as_phone(digits: str, *, plus: bool = False) -> Phone | None:
    """The number that the digits are, None while they are too few or too many to be one.

    Ten digits are a Russian number without its prefix; eleven begin with 7 or 8; others need the plus.
    """
    if len(digits) == 10 and not plus and digits[0] in "9348":
        return Phone.parse(f"+7{digits}")
    if len(digits) == 11 and digits[0] in "78" and not (plus and digits[0] == "8"):
        return Phone.parse(f"+7{digits[1:]}")
    if plus and 10 <= len(digits) <= 15:
        return Phone.parse(f"+{digits}")
    return None


def join_digits(known: str, more: str) -> str:
    """Digits said so far and the next ones; a whole number said anew replaces what was known."""
    if _whole(more) or not known:
        return more
    return known + more


def correct_digits(known: str, correction_text: str) -> str:
    """The digits after a correction: («9000000212», «нет не двенадцать ноль два тринадцать») -> «9000000213».

    «не X» names the wrong digits, the rest the right ones, which replace the stretch they resemble most (the last of
    equals). A whole number replaces everything. Unchanged when the text holds no digits to put in.
    """
    tokens = tokenize(clean(correction_text))
    wrong, right = "", ""
    for run in find_runs(tokens, minimum=1):
        if run.start > 0 and tokens[run.start - 1].text == "не" and not wrong:
            wrong, right = _split_correction(tokens, run, known)
        else:
            right += run.digits
    if not right:
        return known
    if _whole(right):
        return right
    if not known or len(right) > len(known):
        return known + right if not known else right
    text = " ".join(token.text for token in tokens)
    if any(word in text for word in ("в конце", "последн", "заканчива")):
        return known[: -len(right)] + right
    if any(word in text for word in ("в начале", "перв", "начина")):
        return right + known[len(right) :]
    return _put(known, wrong, right)


def _split_correction(tokens: Sequence[Token], run: DigitRun, known: str) -> tuple[str, str]:
    """«не двенадцать ноль два тринадцать» is one run: the wrong digits are those that the known number holds."""
    stretch = tokens[run.start : run.end]
    best = (run.digits, "")
    for cut in range(len(stretch), 0, -1):
        head = _digits(stretch[:cut])
        if head and head in known:
            return head, _digits(stretch[cut:])
    return best


def _digits(tokens: Sequence[Token]) -> str:
    return "".join(run.digits for run in find_runs(tokens, minimum=1))


def _put(known: str, wrong: str, right: str) -> str:
    size = len(right)
    spot = known.rfind(wrong) if wrong else -1
    if spot >= 0 and size == len(wrong):
        return known[:spot] + right + known[spot + size :]
    best: tuple[int, int] | None = None
    for start in range(len(known) - size + 1):
        if spot >= 0 and not (start < spot + len(wrong) and spot < start + size):
            continue
        distance = sum(a != b for a, b in zip(known[start : start + size], right, strict=True))
        if best is None or distance <= best[0]:
            best = (distance, start)
    if best is None:
        return known
    return known[: best[1]] + right + known[best[1] + size :]
