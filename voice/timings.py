"""Every timing constant of a conversation, with its unit and reason. No other module holds one."""

from agent.model import Expect

END_OF_TURN_MS: dict[Expect, int] = {
    Expect.YES_NO: 300,
    Expect.CHOICE: 450,
    Expect.NAME: 500,
    Expect.SERVICE: 500,
    Expect.DATE_TIME: 500,
    Expect.FREE: 550,
    Expect.PHONE: 1100,
    Expect.NOTHING: 500,
}
"""Silence that ends the caller's turn when the words so far could be complete. Short answers are quick; people pause
between groups of digits."""

UNFINISHED_EXTRA_MS = 700
"""Added when the words so far cannot be complete: they end in a preposition, a conjunction, «ну», or an open number."""

PARTIAL_EVERY_MS = 240
"""Distance of partial decodes: below it the embedded recogniser costs more than it tells."""

PRE_ROLL_MS = 300
"""Audio kept before the detector fires, so that no first phoneme is lost."""

SPEECH_START_MS = 60
"""Speech needed to open a turn: shorter is a click."""

BARGE_IN_MS = 160
"""Speech over the agent needed to stop it: a cough or «м» is shorter. Bar: onset to silence p95 <= 400 ms."""

LEAD_MS = 300
"""Audio kept queued in the leg ahead of play-out: survives a hiccup of the brain, cheap to clear."""

IDLE_PROMPT_MS = 8000
"""Silence after the agent has finished before it asks again."""

IDLE_PROMPTS = 2
"""Prompts before goodbye."""

MAX_TURN_MS = 20_000
"""A turn is closed by force: steady noise must not keep it open."""

MAX_CALL_S = 900
"""Longest call; a person does not book for a quarter of an hour."""

TRANSCRIPTION_DEADLINE_S = 3.0
"""A final decode that takes longer counts as not understood."""

FILLER_AFTER_MS = 1500
"""No sound from the agent this long after the caller's turn: say «секунду» (facts of the answer ladder)."""
