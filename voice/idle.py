"""Silence on the line: when to ask again and when to say goodbye. Pure."""

from voice import timings


class IdlePolicy:
    """Counts while neither side says anything that means something. Sounds without words do not reset it."""

    def __init__(self) -> None:
        self._since_ms: int | None = None
        self.prompts = 0
        """Prompts in a row without a word from the caller."""

    def busy(self) -> None:
        """Somebody speaks or the agent thinks: the count stands at zero until quiet()."""
        self._since_ms = None

    def quiet(self, now_ms: int) -> None:
        """Nobody speaks. Repeated calls do not restart the count."""
        if self._since_ms is None:
            self._since_ms = now_ms

    def heard_words(self) -> None:
        self.prompts = 0
        self._since_ms = None

    def due(self, now_ms: int) -> bool:
        """True once for each prompt; prompts then tells which in a row it is."""
        if self._since_ms is None or now_ms - self._since_ms < timings.IDLE_PROMPT_MS:
            return False
        return self.prompt()

    def prompt(self) -> bool:
        """Counts a prompt for another reason than silence: turns without words, again and again."""
        self.prompts += 1
        self._since_ms = None
        return True

    @property
    def give_up(self) -> bool:
        """The prompts are used up: this time it is goodbye."""
        return self.prompts > timings.IDLE_PROMPTS
