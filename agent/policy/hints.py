"""Small readings of the words themselves, beside the intents: only where an answer's tone or scope depends on them."""

import re

_KEEP = re.compile(
    r"\b(не (?:надо |нужно )?отменя\w*|оставь\w*|оставля\w*|передумал\w*|keep (?:it|the)|don'?t cancel)\b"
)
_LATER = re.compile(
    r"\b(потом|позже|не сейчас|не до (?:того|этого)|сам[аи]? (?:по|пере)звоню|перезвоню|later|not now|call back)\b"
)
_TROUBLE = re.compile(
    r"\b(забол\w+|боле[ею]т\w*|температур\w+|больниц\w+|травм\w+|авари\w+|умер\w*|похорон\w*|скор(?:ая|ую)|ill|sick|hospital|accident)\b"
)
_PARKING = re.compile(r"\b(парков\w*|припарк\w*|машин\w*|авто\w*|parking|park|car)\b")
_MOVE_NOT = re.compile(
    r"\bне\s+(?:\w+\s+)?(?:перенос|перенес|переноси|перезапис)|(?:перенос\w*|перенес\w*|перезапис\w*)\s+(?:\w+\s+)?не\b"
)


def keeps_booking(text: str) -> bool:
    """«нет, не отменяйте, оставьте»"""
    return _KEEP.search(text.lower()) is not None


def puts_off(text: str) -> bool:
    """«давайте потом, не до того»: no to an offer to move."""
    return _LATER.search(text.lower()) is not None


def tells_of_trouble(text: str) -> bool:
    """Illness or accident: one sentence of sympathy, no question, nothing stored."""
    return _TROUBLE.search(text.lower()) is not None


def asks_parking(text: str) -> bool:
    return _PARKING.search(text.lower()) is not None


def declines_move(text: str) -> bool:
    """«переносить пока не буду»: the word of moving without the wish."""
    return _MOVE_NOT.search(text.lower()) is not None
