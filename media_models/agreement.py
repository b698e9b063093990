"""LocalAgreement-2: which words of a growing decode can be trusted (Macháček et al. 2023, "Turning Whisper into
Real-Time Transcription System"). A word is stable once two successive decodes of the growing audio agree on it and on
everything before it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class LocalAgreement:
    """Fed with every partial text of one turn, in order."""

    _previous: list[str] = field(default_factory=list)

    def update(self, text: str) -> int:
        """Returns how many characters of text, which has single spaces, are stable."""
        words = text.split()
        agreed = 0
        for old, new in zip(self._previous, words, strict=False):
            if old != new:
                break
            agreed += 1
        self._previous = words
        return len(" ".join(words[:agreed]))
