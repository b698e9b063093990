"""The chance that a caller is done, from words, voice and what was asked: a logistic regression with named weights.

The weights are in russian.json, which `python -m voice.end_of_turn.training` makes. How long to wait for which chance
is in voice.timings.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.model import Expect
from core.errors import ConfigurationError
from voice import timings
from voice.end_of_turn.prosody import Prosody
from voice.end_of_turn.wording import FILLERS, NEVER_LAST, WordEnds, Wording
from voice.ports import Said

SHIPPED = Path(__file__).parent / "russian.json"
VOICE_PREFIX, ASKED_PREFIX = "voice_", "asked_"
"""Names of features that come from the sound, and of those that depend on the question."""


def features_of(said: Said, wording: Wording, ends: WordEnds) -> dict[str, float]:
    """Named numbers of the order of 1."""
    last = wording.words[-1] if wording.words else ""
    by_word, by_pair = ends.after(wording.words)
    doubt = 1.0 - said.confidence
    asked = f"{ASKED_PREFIX}{said.expect.value}"
    found = {
        "one": 1.0,
        "ends_by_word": by_word,
        "ends_by_pair": by_pair,
        "doubtful_ends_by_pair": by_pair * doubt,
        "doubt": doubt,
        "no_words": float(not wording.words),
        "one_word": float(len(wording.words) == 1),
        "many_words": math.log(1 + len(wording.words)),
        "breaks_off": float(not wording.complete),
        "doubtful_breaks_off": float(not wording.complete) * doubt,
        "definite": float(wording.definite),
        "facts": float(min(3, wording.facts)),
        "filler": float(last in FILLERS),
        "some_digits": float(0 < wording.digits < 10),
        "hesitated": float(min(3, said.pauses)),
        asked: 1.0,
        f"{asked}_answered": float(wording.answered),
        f"{asked}_ends": by_pair,
    }
    if said.expect is Expect.PHONE:
        found[f"{asked}_digits"] = min(11, wording.digits) / 10
        found[f"{asked}_whole"] = float(wording.digits >= 10)
    found["voiced"] = math.log(max(100, said.voiced_ms or 100) / 1000)
    return found | _voice(said.prosody or Prosody())


def _voice(prosody: Prosody) -> dict[str, float]:
    known = prosody.pitch_known
    return {
        "voice_pitch_known": float(known),
        "voice_end_low": max(0.0, -prosody.end_pitch_st) / 4,
        "voice_end_high": max(0.0, prosody.end_pitch_st) / 4,
        "voice_falls": max(0.0, -prosody.slope_st) / 2,
        "voice_rises": max(0.0, prosody.slope_st) / 2,
        "voice_level_pitch": float(known and abs(prosody.slope_st) < 1.0),
        "voice_lively": prosody.range_st / 6,
        "voice_fades": prosody.level_drop_db / 10,
        "voice_long_vowel": min(400.0, prosody.last_run_ms) / 200,
        "voice_steady": min(400.0, prosody.steady_ms) / 200,
        "voice_short": float(prosody.speech_ms < 400),
    }


@dataclass(frozen=True, slots=True)
class EndOfTurnModel:
    weights: Mapping[str, float]
    ends: WordEnds

    @classmethod
    def load(cls, path: Path = SHIPPED) -> "EndOfTurnModel":
        """Reads a file that the training wrote; raises ConfigurationError when it is no such file."""
        try:
            content = json.loads(path.read_text("utf-8"))
            table = content["word_ends"]
            ends = WordEnds(float(table["prior"]), table["words"], table["pairs"], table["endings"])
            return cls({name: float(weight) for name, weight in content["weights"].items()}, ends)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} holds no end-of-turn model ({type(error).__name__}): restore it from the package, or make it "
                "anew with python -m voice.end_of_turn.training"
            ) from error

    def logit(self, said: Said, wording: Wording) -> float:
        """Log odds that the turn is over, at the moment of the pause."""
        weights = self.weights
        return sum(weights.get(name, 0.0) * value for name, value in features_of(said, wording, self.ends).items())

    def wait_ms(self, said: Said, wording: Wording) -> int:
        wait_ms = wait_for(self.logit(said, wording))
        if wording.words[-1:] and wording.words[-1] in NEVER_LAST and said.confidence >= timings.DOUBTFUL_CONFIDENCE:
            return max(wait_ms, timings.END_OF_TURN_MS[said.expect] + timings.UNFINISHED_EXTRA_MS)
        # A number that looks whole may hold a digit that was heard twice; a bare yes has no such doubt.
        certain = wording.definite and said.expect is not Expect.PHONE
        return min(wait_ms, timings.DEFINITE_MS) if certain else wait_ms


def wait_for(
    logit: float, *, even_odds_ms: float = timings.WAIT_AT_EVEN_ODDS_MS, per_logit_ms: float = timings.WAIT_PER_LOGIT_MS
) -> int:
    """The silence in ms that ends a turn with these log odds of being over.

    Where lengths of hesitations fall off exponentially, a straight line over the log odds is the wait with the least
    dead air for a given share of cut-offs; real lengths are bounded, hence the two ends.
    """
    wait_ms = even_odds_ms - per_logit_ms * logit
    return round(min(timings.WAIT_LONGEST_MS, max(timings.WAIT_SHORTEST_MS, wait_ms)))
