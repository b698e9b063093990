"""The caller's own process: ``python -m app.demo --sip URI --wish JSON``. Prints what it hears and says, as JSON."""

import argparse
import asyncio
import json
import sys
from typing import Any

import uvloop

from app.demo.caller import Heard, SyntheticCaller
from app.demo.caller_policy import CallerPolicy, Wish
from media_models.adapters.detector import GatedSileroDetector
from media_models.adapters.espeak import EspeakOptions, EspeakSynthesizer
from media_models.adapters.faster_whisper import FasterWhisperRecognizer
from media_models.engines import embedded_recognizer_folder
from telephony.sip.ua import SipClient

CALL_LIMIT_S = 180.0


def report(**facts: Any) -> None:
    print(json.dumps(facts, ensure_ascii=False), flush=True)


async def call(uri: str, number: str, wish: Wish, voice: str, interrupt_after_ms: int | None) -> bool:
    """One call. True: the caller heard that it is booked."""
    recognizer = FasterWhisperRecognizer(embedded_recognizer_folder())
    synthesizer = EspeakSynthesizer(EspeakOptions(rate_hz=8000, voices={"ru": voice}))
    client = SipClient()
    await client.start()
    try:
        await recognizer.warm_up()
        await synthesizer.warm_up()
        report(event="dialling", uri=uri)
        leg = await client.call(uri, from_user=number)
        report(event="answered", call_id=leg.info.call_id)
        caller = SyntheticCaller(
            CallerPolicy(wish), recognizer, synthesizer, GatedSileroDetector(), _tell,
            interrupts_greeting_after_ms=interrupt_after_ms,
        )  # fmt: skip
        async with asyncio.timeout(CALL_LIMIT_S):
            booked = await caller.talk(leg)
        report(event="over", heard_booked=booked)
        return booked
    finally:
        await client.stop()
        await synthesizer.close()
        await recognizer.close()


def _tell(heard: Heard) -> None:
    report(event="heard", text=heard.text, answer=heard.answer)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.demo", description=__doc__)
    parser.add_argument("--sip", required=True, help="sip:USER@HOST:PORT")
    parser.add_argument("--from-number", default="+79000000301")
    parser.add_argument("--wish", required=True, help='{"service": …, "staff": …, "day": …, "time": …, "name": …}')
    parser.add_argument("--voice", default="ru+m3", help="espeak-ng voice of the caller")
    parser.add_argument("--interrupt-after-ms", type=int, help="speak into the greeting after so many milliseconds")
    options = parser.parse_args()
    wish = Wish(**json.loads(options.wish))
    booked = uvloop.run(call(options.sip, options.from_number, wish, options.voice, options.interrupt_after_ms))
    sys.exit(0 if booked else 1)


if __name__ == "__main__":
    main()
