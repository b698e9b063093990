"""Picks the wording of a turn by language."""

from datetime import datetime

from agent.language.ru.phrases import RussianPhrases
from agent.model import Conversation
from agent.salon import Salon
from agent.wording.en import English
from agent.wording.port import Wording
from agent.wording.ru import Russian


class Catalogue:
    def __init__(self, phrases: RussianPhrases | None = None) -> None:
        self._phrases = phrases if phrases is not None else RussianPhrases()

    def for_turn(self, language: str, salon: Salon, now: datetime, conversation: Conversation, turn: int) -> Wording:
        if language == "en":
            return English(salon, now, conversation, turn)
        return Russian(self._phrases, salon, now, conversation, turn)
