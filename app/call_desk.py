"""The company's side of a telephone call: who was dialled, where the conversation is kept, what happens on failure."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from agent.model import Conversation
from agent.understanding import Lexicon, Understander
from app.recordings import recording_path
from core.clock import Clock
from core.companies import Companies, Company
from core.conversations import ConversationStore
from core.errors import AppError
from core.ids import CompanyId
from crm.model import Task, TaskKind
from crm.ports import Crm, SalonBook
from media_models.lexicon_store import LexiconStore
from voice.completeness import UnderstoodCompleteness
from voice.end_of_turn.model import EndOfTurnModel
from voice.ports import CallInfo, CallSummary, CompanyLine

log = structlog.get_logger(__name__)

LINE_FRESH_S = 30.0
"""What is known of a company is read again after this time; a greeting must not wait for it at every call."""

CALL_BACK_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Known:
    line: CompanyLine
    read_at_s: float


class SalonCallDesk:
    """Implements voice.ports.CallDesk on our own stores."""

    def __init__(
        self,
        *,
        companies: Companies,
        conversations: ConversationStore,
        crm: Crm,
        book: SalonBook,
        understander: Understander,
        clock: Clock,
        recording: bool,
        words: LexiconStore | None = None,
    ) -> None:
        """words: pronunciations of the companies; without it words are said as the voice says them."""
        self._companies = companies
        self._conversations = conversations
        self._crm = crm
        self._book = book
        self._understander = understander
        self._clock = clock
        self._recording = recording
        self._words = words
        self._known: dict[CompanyId, _Known] = {}
        self._endings = EndOfTurnModel.load()

    async def line_for(self, info: CallInfo) -> CompanyLine | None:
        company = await self._companies.by_number(info.called)
        if company is None:
            return None
        known = self._known.get(company.id)
        if known is None or self._clock.monotonic_s() - known.read_at_s > LINE_FRESH_S:
            known = _Known(await self._read(company), self._clock.monotonic_s())
            self._known[company.id] = known
        return known.line

    async def opened(self, line: CompanyLine, info: CallInfo, conversation: Conversation) -> None:
        await self._conversations.start(
            line.scope,
            conversation.id,
            channel=conversation.channel.value,
            started_at=conversation.started_at,
            caller=conversation.caller.e164 if conversation.caller else info.caller,
        )

    async def closed(self, line: CompanyLine, info: CallInfo, summary: CallSummary) -> None:
        scope, conversation = line.scope, summary.conversation
        await self._conversations.save_state(scope, conversation.id, conversation.state.data)
        if self._recording:
            path = recording_path(info.call_id, conversation.started_at)
            await self._conversations.set_recording(scope, conversation.id, path)
        await self._conversations.end(scope, conversation.id, ended_at=self._clock.now(), reason=summary.ended_by.value)

    async def call_back(self, line: CompanyLine, conversation: Conversation, reason: str) -> bool:
        task = Task(
            TaskKind.CALLBACK,
            f"Перезвонить: разговор с автоматическим помощником прервался ({reason}).",
            due=self._clock.now() + CALL_BACK_WITHIN,
            phone=conversation.caller,
        )
        try:
            await self._book.add_task(line.scope, conversation.id, task)
        except AppError as error:
            log.exception("call_back_not_filed", conversation=str(conversation.id), code=error.code)
            return False
        return True

    async def _read(self, company: Company) -> CompanyLine:
        scope = company.scope
        profile = await self._book.profile(scope)
        services, staff = await self._crm.services(scope), await self._crm.staff(scope)
        lexicon = Lexicon(tuple(services), tuple(staff))
        return CompanyLine(
            scope=scope,
            language=company.language,
            hints=(*(service.name for service in services), *(member.name for member in staff)),
            completeness=UnderstoodCompleteness(
                self._understander, lexicon, profile.timezone, self._clock, self._endings
            ),
            fallback_number=profile.transfer_to.e164 if profile.transfer_to else "",
            pronounce=(await self._words.lexicon(scope)).mark if self._words else None,
        )
