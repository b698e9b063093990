"""A brain process for the tests of the link: python -m tests.integration.brain_process SOCKET_DIR NAME.

Its conversation: says who it is (a length of audio), then echoes; a DTMF 9 hangs up, 8 transfers.
"""

import asyncio
import sys
from pathlib import Path

import structlog

from telephony.link.brain import BrainLink
from voice.ports import AudioIn, CallLeg, Dtmf

GREETING = b"\x01\x00" * 800
GREETING_RESUMED = b"\x02\x00" * 800


async def converse(leg: CallLeg) -> None:
    leg.play(GREETING_RESUMED if leg.info.resumed else GREETING)
    async for event in leg.events():
        if isinstance(event, AudioIn):
            if event.pcm[:2] == b"\x07\x00":
                leg.play(event.pcm)
            elif event.pcm[:2] == b"\x06\x00":
                leg.mark(f"played {event.played_ms}")
        elif isinstance(event, Dtmf) and event.digit == "9":
            leg.hang_up()
        elif isinstance(event, Dtmf) and event.digit == "8":
            leg.transfer("+79000000009")
        elif isinstance(event, Dtmf) and event.digit == "0":
            raise RuntimeError("broken on purpose")


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    link = BrainLink(Path(sys.argv[1]), sys.argv[2])
    await link.serve(converse)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
