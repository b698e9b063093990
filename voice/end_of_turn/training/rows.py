"""Heard turns as examples: features and kind of every silence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.language.understander import RuleUnderstander
from agent.understanding import Lexicon
from core.clock import SystemClock
from voice.completeness import UnderstoodCompleteness
from voice.end_of_turn.model import EndOfTurnModel, features_of
from voice.end_of_turn.network import Numbers, mean_chances
from voice.end_of_turn.training.fit import NETWORKS, fit
from voice.end_of_turn.training.record import Heard, Silence
from voice.end_of_turn.training.scene import PauseKind
from voice.end_of_turn.waiting import PauseLengths, SilenceKind
from voice.end_of_turn.wording import WordEnds, Wording
from voice.ports import Said

KINDS = list(SilenceKind)
_OF_PAUSE = {
    None: SilenceKind.GAP,
    PauseKind.HESITATION: SilenceKind.HESITATION,
    PauseKind.BETWEEN_DIGITS: SilenceKind.BETWEEN_DIGITS,
    PauseKind.BETWEEN_THOUGHTS: SilenceKind.BETWEEN_THOUGHTS,
}


def kind_of(silence: Silence) -> SilenceKind:
    return SilenceKind.OVER if silence.final else _OF_PAUSE[silence.kind]


def _plain(text: str) -> str:
    return text.replace("ё", "е")


@dataclass(frozen=True, slots=True)
class Row:
    silence: Silence
    wording: Wording
    features: dict[str, float]


class Rows:
    def __init__(self, turns: Iterable[Heard], ends: WordEnds, forbidden: frozenset[str] = frozenset()) -> None:
        """forbidden: texts of the test. A pause behind such words is left out: turns that end there are, too."""
        self.turns = [heard for heard in turns if not heard.missed]
        self.ends = ends
        self._reader = UnderstoodCompleteness(RuleUnderstander(), Lexicon((), ()), "Europe/Moscow", SystemClock())
        self.rows: list[Row] = []
        for heard in self.turns:
            for silence in heard.silences:
                if not silence.final and _plain(silence.true_text) in forbidden:
                    continue
                self.rows.append(self._row(silence, silence.said))

    def _row(self, silence: Silence, said: Said) -> Row:
        wording = self._reader.wording(said.text, said.expect)
        return Row(silence, wording, features_of(said, wording, self.ends))

    def model(self, without: tuple[str, ...] = ()) -> EndOfTurnModel:
        """A fit without the features of these prefixes.

        Each silence is learned from twice: with the words that the recogniser wrote, and with those that were said, as
        a better recogniser would write them.
        """
        right = [
            self._row(row.silence, replace(row.silence.said, text=_plain(row.silence.true_text), confidence=1.0))
            for row in self.rows
        ]
        both = self.rows + right
        rows = [
            {name: value for name, value in row.features.items() if not without or not name.startswith(without)}
            for row in both
        ]
        kinds = [KINDS.index(kind_of(row.silence)) for row in both]
        networks = tuple(fit(rows, kinds, len(KINDS), seed=seed) for seed in range(NETWORKS))
        return EndOfTurnModel(networks, self.ends, self._lengths())

    def _lengths(self) -> PauseLengths:
        lengths: list[list[float]] = [[] for _ in KINDS]
        for row in self.rows:
            silence = row.silence
            if silence.voice_back_ms is not None:
                lengths[KINDS.index(kind_of(silence))].append(silence.voice_back_ms - silence.from_ms)
        return PauseLengths.counted(lengths[1:])

    def waits_ms(self, model: EndOfTurnModel, prices_ms: Sequence[float]) -> list[dict[int, float]]:
        """For each price: by id of the silence, the wait of this model."""
        chances: list[Numbers] = [mean_chances(model.networks, row.features) for row in self.rows]
        return [
            {
                id(row.silence): model.wait_for(chance, row.silence.said, row.wording, price_ms)
                for row, chance in zip(self.rows, chances, strict=True)
            }
            for price_ms in prices_ms
        ]
