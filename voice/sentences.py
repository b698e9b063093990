"""What the agent says, cut into the pieces that are synthesised one by one. Pure."""

import re

_END = re.compile(r"(?<=[.!?…])[»\")]*\s+(?=[«\"(—–-]?\s?[A-ZА-ЯЁ0-9])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:ул|г|гг|д|стр|корп|кв|пр|просп|пер|наб|пл|им|т|тел|руб|см|мин|ч|No|Mr|Mrs|Dr|st)\.$", re.IGNORECASE
)
_SHORTEST = 14
"""Letters: «Да.» alone is joined with what follows, so that it is said in one breath."""


def split_sentences(text: str) -> list[str]:
    """Sentences in order; joined by single spaces they are the text again. Never empty strings."""
    pieces: list[str] = []
    for raw in _END.split(" ".join(text.split())):
        piece = raw.strip()
        if not piece:
            continue
        if pieces and (_ABBREVIATION.search(pieces[-1]) or len(pieces[-1]) < _SHORTEST):
            pieces[-1] = f"{pieces[-1]} {piece}"
        else:
            pieces.append(piece)
    return pieces
