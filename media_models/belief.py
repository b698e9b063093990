"""Which answers of a recogniser are speech and which are guesses about noise. Pure."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from media_models.agreement import Rival

NO_SPEECH_PROBABILITY = 0.6
REPETITIVE_RATIO = 2.4
"""Text that deflate shrinks more than this is a decoder in a loop (threshold of Whisper's own transcribe)."""
MOST_LETTERS_PER_S = 28.0
"""Nobody speaks faster: hurried Russian has 20 letters a second. A decoder that invents writes hundreds."""
TRAINING_ECHOES = frozenset(
    {
        "продолжение следует",
        "субтитры сделал dimatorzok",
        "субтитры создавал dimatorzok",
        "редактор субтитров а семкин корректор а егорова",
        "спасибо за просмотр",
        "thanks for watching",
        "thank you for watching",
    }
)
"""What real Whisper says about silence: end titles of the videos it learned from."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One window: text and the evidence for it."""

    text: str = ""
    log_probability: float = 0.0
    """Summed over the tokens."""
    tokens: int = 0
    rivals: tuple[Rival, ...] = ()
    """All readings of the beam, the chosen one included; empty when the beam has one."""


def believed(
    text: str,
    tokens: int,
    mean_log_probability: float,
    no_speech: float,
    audio_s: float,
    least_probability: float,
    rivals: tuple[Rival, ...] = (),
) -> Decoded:
    """The answer if it is speech, else an empty one. tokens: with the one that ends the text."""
    text = " ".join(text.split())
    bare = "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").strip()
    doubtful = (
        no_speech > NO_SPEECH_PROBABILITY
        or _repetition(text) > REPETITIVE_RATIO
        or math.exp(mean_log_probability) < least_probability
        or len(bare) > MOST_LETTERS_PER_S * audio_s
        or bare in TRAINING_ECHOES
    )
    return Decoded() if not bare or doubtful else Decoded(text, mean_log_probability * tokens, tokens, rivals)


def confidence_of(parts: Sequence[Decoded]) -> float:
    """Geometric mean of the token probabilities, 0 to 1; 0 without a token."""
    tokens = sum(part.tokens for part in parts)
    return math.exp(sum(part.log_probability for part in parts) / tokens) if tokens else 0.0


def text_of(parts: Sequence[Decoded]) -> str:
    return " ".join(part.text for part in parts if part.text)


def _repetition(text: str) -> float:
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded)) if encoded else 0.0
