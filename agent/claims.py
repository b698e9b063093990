"""The claim gate: nothing that states a booking, a move or a cancellation as done leaves the agent unless it is true.

Works on the words of any brain. A claim is a statement in a finished form («вы записаны», "I have booked you"); an
offer, a question or a plan («записать вас?», «записываю: …, верно?») is none.
"""

import re
from collections.abc import Iterable
from enum import StrEnum


class Claim(StrEnum):
    BOOKED = "booked"
    """She has a visit: true of old ones too."""
    DEED = "deed"
    """It was written just now, in this talk."""
    MOVED = "moved"
    CANCELLED = "cancelled"


_NOT = r"(?<!не )(?<!не была )(?<!заявка )(?<!просьба )(?<!not )(?<!n't )"
_PATTERNS: dict[Claim, tuple[re.Pattern[str], ...]] = {
    Claim.BOOKED: (
        re.compile(_NOT + r"\b(?:записал[аи]?|забронировал[аи]?|записаны|записана|записан|забронирован[оаы]?)\b"),
        re.compile(r"\bзапись\s+(?:уже\s+|успешно\s+)?(?:создана|оформлена|подтверждена|сделана|готова|есть)\b"),
        re.compile(r"\b(?:оформил|сделал|создал|поставил)[аи]?\s+(?:вам\s+|вас\s+)?(?:запись|бронь)"),
        re.compile(
            _NOT + r"\b(?:booked|scheduled)\b|\breservation is (?:made|confirmed)|\bappointment is (?:set|confirmed)"
        ),
    ),
    Claim.DEED: (
        re.compile(_NOT + r"\b(?:записал[аи]?|забронировал[аи]?)\b"),
        re.compile(r"\b(?:оформил|сделал|создал|поставил)[аи]?\s+(?:вам\s+|вас\s+)?(?:запись|бронь)"),
        re.compile(r"\b(?:i have|i've|i|we have|we've) (?:just )?booked\b"),
    ),
    Claim.MOVED: (
        re.compile(
            _NOT + r"\b(?:перенесл[аи]|перенес|перенёс|перенесен[аоы]?|перенесён|перезаписал[аи]?|передвинул[аи]?)\b"
        ),
        re.compile(_NOT + r"\bзапись\s+(?:уже\s+)?изменена\b|\bизменил[аи]?\s+(?:вашу\s+)?запись\b"),
        re.compile(_NOT + r"\b(?:moved|rescheduled|visit is changed)\b"),
    ),
    Claim.CANCELLED: (
        re.compile(
            _NOT + r"\b(?:отменил[аи]?|отменен[аоы]?|отменён|снял[аи]?\s+(?:вашу\s+)?запись|аннулирован[аоы]?)\b"
        ),
        re.compile(_NOT + r"\b(?:cancelled|canceled)\b"),
    ),
}
_CONDITION = re.compile(r"\b(?:если|когда|как только|чтобы|if|when|once|to be|can be|would be|will be)\b")


def claims_in(text: str) -> frozenset[Claim]:
    """The claims of a text, sentence by sentence."""
    found: set[Claim] = set()
    for sentence in re.split(r"(?<=[.!?…])\s+", text.lower()):
        if sentence.rstrip().endswith("?") or _CONDITION.search(sentence):
            continue
        found.update(claim for claim, patterns in _PATTERNS.items() if any(p.search(sentence) for p in patterns))
    return frozenset(found)


def unproven(text: str, proven: Iterable[Claim]) -> frozenset[Claim]:
    return claims_in(text) - frozenset(proven)
