"""Windows of audio into text: any Whisper in CTranslate2 format, several windows at once. Blocking; one thread uses it.

The model is loaded by faster-whisper (tokenizer, features, weights) and asked directly: its transcribe() takes one
audio at a time and pads each to 30 s, which a model that was trained on short windows must not see.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]
from ctranslate2 import StorageView  # type: ignore[import-untyped]
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from faster_whisper.tokenizer import Tokenizer  # type: ignore[import-untyped]
from faster_whisper.transcribe import get_suppressed_tokens  # type: ignore[import-untyped]
from numpy.typing import NDArray

from core.errors import ConfigurationError
from media_models.belief import Decoded, believed
from media_models.biasing import RussianWords
from media_models.blas import use_one_blas_thread
from media_models.profiles import EngineProfile
from media_models.second_look.choose import SecondLook
from media_models.second_look.readings import Reading
from media_models.segments import Window, frame_levels_dbfs

MODEL_RATE_HZ = 16_000
WHISPER_FRAMES = 3000
"""Mel frames of a full window, 30 s."""
SHORTEST_AUDIO_S = 0.1
"""No word is shorter, and below 0.04 the feature extractor has no frame to work on."""
SILENCE_DBFS = -58.0
"""A window whose loudest 20 ms are below this holds no speech: telephone lines idle at -60 dBFS and less."""
LONGEST_ANSWER_TOKENS = 60
"""Per window. Without it a decoder in a loop runs to the model's limit of 448."""
OTHER_PADDING_FRAMES = 50
"""A small model stumbles over single lengths of its input: an empty answer is asked for again at this padding."""
LAST_LETTER_FRAMES = 6
LEAST_A_LETTER = -2.8
"""Mean log probability of a letter by what the encoder hears, below which a text is invented: inventions about noise
have -3.4 to -12, speech at 10 dB of noise -2.7 and better (measured)."""
MOST_HINT_LETTERS = 400
"""Of the company's words in a prompt: what stands there costs time in each decode."""


class WhisperDecoder:
    """Loads at construction. ConfigurationError: the folder holds no model that works on this device."""

    def __init__(
        self, folder: Path, profile: EngineProfile, device: str = "cpu", compute_type: str = "default"
    ) -> None:
        use_one_blas_thread()
        self.profile = profile
        number_format = "int8" if compute_type == "default" and device == "cpu" else compute_type
        try:
            self._model = WhisperModel(
                str(folder),
                device=device,
                compute_type=number_format,
                cpu_threads=profile.cpu_threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"the speech model in {folder} cannot be loaded on {device} as {number_format}: "
                f"{error}. Get it again with: ai-admin models get <name>"
            ) from error
        self._tokenizers: dict[str, Tokenizer] = {}
        self._suppressed: list[int] = []
        self._second_look: SecondLook | None = None
        if profile.second_look:
            dictionary = RussianWords()
            dictionary.exists("да")  # loads it now, not in the first caller's turn
            self._second_look = SecondLook.load(folder, dictionary.exists, dictionary.forms_of)

    def decode(self, windows: Sequence[Window], final: bool = True) -> list[Decoded]:
        """One answer a window, in order. Not final: with less care and less CPU, as a partial is."""
        answers = [Decoded()] * len(windows)
        spoken = {index: self._features(window) for index, window in enumerate(windows) if _holds_sound(window)}
        if not spoken:
            return answers
        chosen = [windows[index] for index in spoken]
        for index, decoded in zip(spoken, self._generate(chosen, list(spoken.values()), final), strict=True):
            answers[index] = decoded
        return answers

    def _features(self, window: Window) -> NDArray[np.float32]:
        audio = window.samples.astype(np.float32) / 32768.0
        if window.rate_hz != MODEL_RATE_HZ:
            audio = soxr.resample(audio, window.rate_hz, MODEL_RATE_HZ)
        features: NDArray[np.float32] = self._model.feature_extractor(audio)[:, :-1]
        return features

    def _generate(
        self, windows: Sequence[Window], features: Sequence[NDArray[np.float32]], final: bool
    ) -> list[Decoded]:
        profile = self.profile
        prompts = [self._prompt(window) for window in windows]
        if not final:
            padding = profile.partial_padding_frames or profile.trim_padding_frames
            return self._ask(windows, features, prompts, padding, profile.partial_beam)
        look = self._second_look
        answers = self._ask(windows, features, prompts, profile.trim_padding_frames, profile.final_beam, look)
        silent = [index for index, answer in enumerate(answers) if not answer.text]
        if silent and profile.trim_padding_frames:
            again = self._ask(
                [windows[index] for index in silent],
                [features[index] for index in silent],
                [prompts[index] for index in silent],
                OTHER_PADDING_FRAMES,
                profile.final_beam,
                look,
            )
            for index, answer in zip(silent, again, strict=True):
                answers[index] = answer
        return answers

    def _ask(
        self,
        windows: Sequence[Window],
        features: Sequence[NDArray[np.float32]],
        prompts: Sequence[list[int]],
        padding: int,
        beam: int,
        look: SecondLook | None = None,
    ) -> list[Decoded]:
        frames = max(item.shape[1] for item in features) + padding if padding else WHISPER_FRAMES
        batch = np.zeros((len(features), features[0].shape[0], frames + (frames & 1)), np.float32)
        for row, item in zip(batch, features, strict=True):
            row[:, : item.shape[1]] = item[:, :frames]
        heard = StorageView.from_array(batch)
        if look is not None:
            heard = self._model.model.encode(heard, to_cpu=True)
        results = self._model.model.generate(
            heard,
            prompts,
            beam_size=beam,
            num_hypotheses=beam,
            max_length=min(max(map(len, prompts)) + LONGEST_ANSWER_TOKENS, self._model.max_length),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        answers = [self._believed(window, result) for window, result in zip(windows, results, strict=True)]
        if look is None:
            return answers
        encoded = np.asarray(heard)
        return [
            self._looked_at_again(look, answer, window, encoded[row, : _encoded_frames(item)], encoded[row], prompt)
            for row, (answer, window, item, prompt) in enumerate(zip(answers, windows, features, prompts, strict=True))
        ]

    def _looked_at_again(
        self,
        look: SecondLook,
        answer: Decoded,
        window: Window,
        heard: NDArray[np.float32],
        encoded: NDArray[np.float32],
        prompt: list[int],
    ) -> Decoded:
        """heard: the encoder's output without its padding; encoded: with it, as the decoder was trained to see it."""
        if not answer.text:
            return answer
        tokenizer = self._tokenizer(window.language)
        readings = [Reading(text, value) for text, value in answer.rivals] or [
            Reading(answer.text, answer.log_probability)
        ]

        def ask(texts: Sequence[str]) -> list[float]:
            tokens = [tokenizer.encode(" " + text) for text in texts]
            repeated = StorageView.from_array(np.repeat(encoded[None], len(texts), axis=0))
            # The prompt without its last token, <|notimestamps|>: align() adds it.
            aligned = self._model.model.align(repeated, prompt[:-1], tokens, [2 * len(encoded)] * len(texts))
            return [float(np.log(np.maximum(item.text_token_probs, 1e-9)).sum()) for item in aligned]

        chosen = look.chosen(readings, heard, ask, window.hints)
        if chosen.a_letter < LEAST_A_LETTER:
            return Decoded()
        if chosen.text == answer.text:
            return answer
        return Decoded(chosen.text, chosen.log_probability, len(tokenizer.encode(" " + chosen.text)) + 1, answer.rivals)

    def _believed(self, window: Window, result: Any) -> Decoded:
        tokenizer = self._tokenizer(window.language)
        tokens = result.sequences_ids[0]
        # CTranslate2 divides the summed log probability by the length without the token that ends the text.
        mean = result.scores[0] * len(tokens) / (len(tokens) + 1) if tokens else -math.inf
        rivals = tuple(
            (" ".join(tokenizer.decode(reading).split()), float(score) * len(reading))
            for reading, score in zip(result.sequences_ids, result.scores, strict=True)
            if len(result.sequences_ids) > 1
        )
        return believed(
            tokenizer.decode(tokens),
            len(tokens) + 1,
            mean,
            result.no_speech_prob,
            len(window.samples) / window.rate_hz,
            self.profile.least_probability,
            rivals,
        )

    def _prompt(self, window: Window) -> list[int]:
        hints = ", ".join(window.hints)[:MOST_HINT_LETTERS] if self.profile.use_hints else ""
        tokenizer = self._tokenizer(window.language)
        return list(self._model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hints or None))

    def _tokenizer(self, language: str) -> Tokenizer:
        known = self.profile.languages
        language = language if not known or language in known else known[0]
        if language not in self._tokenizers:
            tokenizer = Tokenizer(
                self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language
            )
            self._tokenizers[language] = tokenizer
            self._suppressed = list(get_suppressed_tokens(tokenizer, [-1]))
        return self._tokenizers[language]


def _encoded_frames(features: NDArray[np.float32]) -> int:
    """Of the encoder's output that are about the audio, its second convolution having a stride of two, with a few more
    in which the last letter ends."""
    return int(features.shape[1] + 1) // 2 + LAST_LETTER_FRAMES


def _holds_sound(window: Window) -> bool:
    if len(window.samples) < SHORTEST_AUDIO_S * window.rate_hz:
        return False
    levels = frame_levels_dbfs(window.samples, window.rate_hz)
    return bool(len(levels)) and float(levels.max()) >= SILENCE_DBFS
