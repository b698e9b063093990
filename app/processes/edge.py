"""The edge process: sockets, the media clock, the recording journal. No speech models, no CRM."""

import asyncio
import contextlib

import structlog

from app.bootstrap import Runtime, link_folder, open_runtime, twilio_base_url, twilio_stream_url
from app.known_numbers import KnownNumbers
from app.lifeline import Lifeline
from app.recordings import RecordingFiles
from app.trunks import source_policy, trunks_of
from core.errors import AppError
from core.settings import Settings
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from telephony.link.edge import EdgeLink
from telephony.media_clock import MediaClock
from telephony.sip.ua import SipServer
from telephony.sip.uas import Admission, Answer, Refuse
from telephony.twilio.plans import CallPlans
from telephony.twilio.rest import TwilioRest
from telephony.twilio.store import RedisStore
from telephony.twilio.stream_server import TwilioStreamServer
from telephony.twilio.tokens import StreamTokens
from voice.ports import CallInfo

log = structlog.get_logger(__name__)

PLEASE_WAIT = "секунду, пожалуйста"
PHRASE_WITHIN_S = 10.0
"""Takes a third of a second; calls are taken without the phrase rather than not at all."""

NO_SUCH_NUMBER = Refuse(404, "Not Found")


async def run(settings: Settings, lifeline: Lifeline, stop: asyncio.Event) -> None:
    async with open_runtime(settings, "edge") as runtime, contextlib.AsyncExitStack() as cleanup:
        numbers = KnownNumbers(runtime.companies)
        await numbers.read()
        reading = asyncio.create_task(numbers.keep_reading(), name="numbers")
        link = EdgeLink(link_folder(settings), filler_pcm=await _waiting_phrase())
        recordings = RecordingFiles(settings.data_dir, runtime.clock, enabled=settings.recording_enabled)
        sip = _sip_server(runtime, link, numbers, recordings)
        twilio = _twilio_server(runtime, link, recordings, cleanup)
        await sip.start(settings.sip_public_host)
        await twilio.start()
        lifeline.announce(sip_port=sip.port, twilio_port=twilio.port)
        await stop.wait()
        log.info("edge_draining", sip_calls=sip.calls, twilio_calls=twilio.calls)
        await asyncio.gather(sip.drain(settings.drain_timeout_s), twilio.drain(settings.drain_timeout_s))
        await asyncio.gather(sip.stop(), twilio.stop())
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _waiting_phrase() -> bytes:
    """What a caller hears whose brain has died, at 8 kHz. The synthesiser runs once at start and is gone afterwards."""
    synthesizer = EspeakSynthesizer(EspeakOptions(rate_hz=8000, workers=1))
    try:
        async with asyncio.timeout(PHRASE_WITHIN_S):
            return b"".join([piece async for piece in synthesizer.synthesize(PLEASE_WAIT)])
    except (AppError, TimeoutError) as error:
        log.warning("waiting_phrase_not_made", fault=type(error).__name__)
        return b""
    finally:
        await synthesizer.close()


def _sip_server(runtime: Runtime, link: EdgeLink, numbers: KnownNumbers, recordings: RecordingFiles) -> SipServer:
    settings = runtime.settings

    def admission(info: CallInfo) -> Admission:
        return Answer() if numbers.answers(info.called) else NO_SUCH_NUMBER

    trunks = trunks_of(settings)
    return SipServer(
        settings.sip_host,
        settings.sip_port,
        link,
        admission=admission,
        policy=source_policy(settings, trunks),
        trunks=trunks,
        clock=MediaClock(runtime.metrics.tick_lateness_seconds.observe),
        rtp_ports=(settings.rtp_port_min, settings.rtp_port_max),
        tap_factory=recordings.open,
        max_calls=settings.max_calls,
        metrics=runtime.metrics,
    )


def _twilio_server(
    runtime: Runtime, link: EdgeLink, recordings: RecordingFiles, cleanup: contextlib.AsyncExitStack
) -> TwilioStreamServer:
    settings, store = runtime.settings, RedisStore(runtime.redis)
    rest: TwilioRest | None = None
    token = settings.twilio_auth_token.get_secret_value()
    if settings.twilio_account_sid and token:
        rest = TwilioRest(settings.twilio_account_sid, settings.twilio_account_sid, token)
        cleanup.push_async_callback(rest.close)
    return TwilioStreamServer(
        settings.twilio_host,
        settings.twilio_port,
        link,
        StreamTokens(runtime.secrets.link_key, store, runtime.clock),
        CallPlans(store),
        stream_url=twilio_stream_url(settings),
        public_base_url=twilio_base_url(settings),
        rest=rest,
        tap_factory=recordings.open,
    )
