"""Why a sentence of a model is held back."""

from enum import StrEnum


class Fault(StrEnum):
    CLAIM = "claim"
    TIME = "time"
    PRICE = "price"
    DATE = "date"
    PROMISE = "promise"
    NO_SPEECH = "no_speech"
    LEAK = "leak"
    OTHERS = "others"
    """Names, numbers or visits of people who are not part of this talk; notes of the staff."""
    REPEAT = "repeat"
