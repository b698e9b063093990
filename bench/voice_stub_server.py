"""The framework alone, in one process: both doors, the conversation, engines of fixed delays; no database.

Prints the ready line of `ai-admin serve`, so that the voice bench can run against it; each LATENCY and
BARGE_IN event follows as a JSON line. For the numbers of the whole product run the bench against
`ai-admin serve --engines stub`.
"""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from uuid import UUID

import structlog

from agent.model import Conversation
from agent.stub_brain import StubAgent
from core.clock import SystemClock
from core.ids import CompanyId
from core.tenancy import CompanyScope
from core.timeline import EventKind, TimelineEvent
from media_models.adapters.detector import GatedSileroDetector
from media_models.adapters.stub import StubRecognizer, StubSynthesizer
from telephony.sip.trunk import LOOPBACK, SourcePolicy
from telephony.sip.ua import SipServer
from tests.simulators.twilio.stack import twilio_stack
from voice.completeness import PatientCompleteness
from voice.ports import CallInfo, CallSummary, CompanyLine
from voice.service import ConversationHandler
from voice.session import Engines
from voice.voice_bank import VoiceBank


class OneCompany:
    """Implements CallDesk: everybody who calls, calls the same company; nothing is kept."""

    async def line_for(self, info: CallInfo) -> CompanyLine | None:
        return CompanyLine(CompanyScope(CompanyId(UUID(int=1))), "ru", (), PatientCompleteness())

    async def opened(self, line: CompanyLine, info: CallInfo, conversation: Conversation) -> None: ...

    async def closed(self, line: CompanyLine, info: CallInfo, summary: CallSummary) -> None: ...

    async def call_back(self, line: CompanyLine, conversation: Conversation, reason: str) -> bool:
        return True


class PrintedTimeline:
    def append(self, scope: object, event: TimelineEvent) -> None:
        if event.kind in (EventKind.LATENCY, EventKind.BARGE_IN):
            sys.stdout.write(json.dumps({event.kind.value: event.data}) + "\n")
            sys.stdout.flush()


async def main() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    clock = SystemClock()
    engines = Engines(StubRecognizer(), GatedSileroDetector(), VoiceBank([StubSynthesizer()], clock))
    handler = ConversationHandler(
        agent=StubAgent(), engines=engines, timeline=PrintedTimeline(), clock=clock, desk=OneCompany()
    )
    await handler.warm_up(texts=(StubAgent().greeting,))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sip = SipServer("127.0.0.1", 0, handler, policy=SourcePolicy((), LOOPBACK))
    await sip.start()
    async with contextlib.AsyncExitStack() as cleanup:
        stack = await cleanup.enter_async_context(twilio_stack(handler))
        twilio = {"webhook": stack.webhook_url, "number": stack.number, "auth_token": stack.auth_token}
        line = {"ready": True, "http": "", "sip": f"sip:salon@127.0.0.1:{sip.port}", "twilio": twilio, "api_key": ""}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await stop.wait()
    await sip.stop()


if __name__ == "__main__":
    asyncio.run(main())
