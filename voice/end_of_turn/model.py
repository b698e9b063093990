"""What a silence of the caller is, from words, voice and what was asked, and how long it is worth waiting out.

Networks and tables are in russian.json, which `python -m voice.end_of_turn.training` makes; what a cut-off is worth is
in voice.timings.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent.model import Expect
from core.errors import ConfigurationError
from voice import timings
from voice.end_of_turn.network import Network, Numbers, mean_chances
from voice.end_of_turn.prosody import Prosody
from voice.end_of_turn.waiting import WAITS_MS, PauseLengths, SilenceKind
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
    letters = sum(len(word) for word in wording.words)
    found["slow"] = math.log(max(100, said.voiced_ms or 100) / (60 * letters + 100))
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
        "voice_step": prosody.step_st / 4,
        "voice_height": prosody.height,
        "voice_fades": prosody.level_drop_db / 10,
        "voice_long_vowel": min(400.0, prosody.last_run_ms) / 200,
        "voice_steady": min(400.0, prosody.steady_ms) / 200,
        "voice_moves": prosody.movement_db / 4,
        "voice_moves_usually": prosody.usual_movement_db / 4,
        "voice_held": prosody.movement_db / max(1.0, prosody.usual_movement_db),
        "voice_syllable": min(600.0, prosody.syllable_ms) / 200,
        "voice_short": float(prosody.speech_ms < 400),
    }


@dataclass(frozen=True, slots=True)
class EndOfTurnModel:
    networks: Sequence[Network]
    """From different beginnings; the mean of their chances counts."""
    ends: WordEnds
    lengths: PauseLengths

    @classmethod
    def load(cls, path: Path = SHIPPED) -> "EndOfTurnModel":
        """Reads a file that the training wrote; raises ConfigurationError when it is no such file."""
        try:
            return cls.from_json(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} holds no end-of-turn model ({type(error).__name__}): restore it from the package, or make it "
                "anew with python -m voice.end_of_turn.training"
            ) from error

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "EndOfTurnModel":
        table = content["word_ends"]
        ends = WordEnds(float(table["prior"]), table["words"], table["pairs"], table["endings"])
        networks = tuple(Network.from_json(one) for one in content["networks"])
        lengths = np.array(content["still_silent"], np.float64)
        classes = len(SilenceKind)
        if not networks or any(len(network.bias) != classes for network in networks):
            raise ValueError("the networks do not tell the kinds of silence")
        if lengths.shape != (classes - 1, len(WAITS_MS)):
            raise ValueError("lengths of pauses for other waits than those of voice.timings")
        return cls(networks, ends, PauseLengths(lengths))

    def to_json(self) -> dict[str, Any]:
        ends = self.ends
        return {
            "networks": [network.to_json() for network in self.networks],
            "still_silent": self.lengths.still_silent.tolist(),
            "word_ends": {"prior": ends.prior, "words": ends.words, "pairs": ends.pairs, "endings": ends.endings},
        }

    def chances(self, said: Said, wording: Wording) -> Numbers:
        """What the silence is, one number for each SilenceKind."""
        return mean_chances(self.networks, features_of(said, wording, self.ends))

    def wait_ms(self, said: Said, wording: Wording, cut_off_price_ms: float = timings.CUT_OFF_PRICE_MS) -> int:
        return self.wait_for(self.chances(said, wording), said, wording, cut_off_price_ms)

    def wait_for(self, chances: Numbers, said: Said, wording: Wording, cut_off_price_ms: float) -> int:
        """The same when the chances are known: the bench tries many prices."""
        wait_ms = self.lengths.cheapest_wait_ms(chances, cut_off_price_ms)
        if wording.words[-1:] and wording.words[-1] in NEVER_LAST and said.confidence >= timings.DOUBTFUL_CONFIDENCE:
            return max(wait_ms, timings.END_OF_TURN_MS[said.expect] + timings.UNFINISHED_EXTRA_MS)
        # A number that looks whole may hold a digit that was heard twice; a bare yes has no such doubt.
        certain = wording.definite and said.expect is not Expect.PHONE
        return min(wait_ms, timings.DEFINITE_LONGEST_MS) if certain else wait_ms
