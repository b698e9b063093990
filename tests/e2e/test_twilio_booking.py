"""A synthetic caller books through the simulated Twilio edge: the whole product, every part real."""

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path

import pytest

from agent.language.ru.phrases import RussianPhrases
from app.bootstrap import open_runtime
from app.demo.caller import Heard, SyntheticCaller
from app.demo.caller_policy import CallerPolicy
from app.demo.wish import choose_wish
from app.stack import running_stack
from core.phone import Phone as PhoneNumber
from core.settings import load_settings
from crm.journal.service import Journal
from crm.model import ACTIVE_STATUSES
from media_models.adapters.detector import GatedSileroDetector
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder
from tests.simulators.twilio.edge import TwilioEdge
from tests.simulators.twilio.phone import Phone
from tests.simulators.twilio.phone_leg import PhoneLeg

CALLER = "+79000000377"


@pytest.fixture
async def caller_engines():
    recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
    synthesizer = EspeakSynthesizer(EspeakOptions(rate_hz=8000, voices={"ru": "ru+m3"}))
    await recognizer.warm_up()
    await synthesizer.warm_up()
    yield recognizer, synthesizer
    await synthesizer.close()
    await recognizer.close()


@pytest.mark.timeout(400)
# The supervisor's lines to its processes are closed by the garbage collector: they live as long as the program.
@pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning")
async def test_a_caller_books_through_twilio(caller_engines) -> None:
    recognizer, synthesizer = caller_engines
    # Not pytest's own folder: when run as root the database server is another user and must reach it.
    with tempfile.TemporaryDirectory(prefix="twilio-booking-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(data_dir=Path(folder), http_port=0, sip_port=0, twilio_port=0)
        async with (
            running_stack(settings, None, lambda text: None) as stack,
            open_runtime(stack.settings, "test") as runtime,
        ):
            journal, scope = Journal(runtime.database, runtime.clock), stack.company.scope
            wish = await choose_wish(journal, scope, RussianPhrases(), datetime.now(stack.company.zone))
            heard: list[Heard] = []
            caller = SyntheticCaller(
                CallerPolicy(wish.words), recognizer, synthesizer, GatedSileroDetector(), heard.append
            )

            async def script(phone: Phone) -> None:
                leg = PhoneLeg(phone)
                ear = asyncio.create_task(leg.run(), name="caller's ear")
                await caller.talk(leg)
                await ear

            door = stack.ready_line()["twilio"]
            edge = TwilioEdge(door["webhook"], door["number"], door["auth_token"], caller=CALLER)
            record = await edge.place(script, limit_s=180)
            bookings = [
                booking
                for client in await journal.find_clients(scope, PhoneNumber(CALLER))
                for booking in await journal.bookings_of(scope, client.id)
            ]
            said = [line.answer for line in heard]
    assert record.vendor_errors == []
    part = wish.plan.parts[0]
    active = [booking for booking in bookings if booking.status in ACTIVE_STATUSES]
    seen = f"heard {heard}; booked {[(booking.staff_id, booking.start, booking.status) for booking in bookings]}"
    assert (part.staff_id, part.start, part.service_ids) in [
        (booking.staff_id, booking.start, booking.service_ids) for booking in active
    ], seen
    assert "да всё верно" in said, seen  # nothing was written before the caller agreed
