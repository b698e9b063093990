"""How far from the wish an offer is."""

from enum import StrEnum


class Stage(StrEnum):
    AS_WISHED = "as_wished"
    OTHER_TIME = "other_time"
    """The same day and master, another time."""
    OTHER_DAY = "other_day"
    """The same master or anybody, on days around."""
    COLLEAGUE = "colleague"
    """The wished day with somebody else."""
