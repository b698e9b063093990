"""A recognition worker with the product's server and a decoder that obeys its audio: `python -m` this file OPTIONS.

A window says how long it is. One that begins with DEADLY ends the process, one with STUCK never returns; FATAL_ONCE
ends the process unless the file named in the options' folder is there, and makes it.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from media_models.belief import Decoded
from media_models.profiles import EngineProfile
from media_models.recogniser_worker.server import Server
from media_models.recogniser_worker.wire import WorkerOptions
from media_models.segments import Window

DEADLY, STUCK, FATAL_ONCE = 666, 777, 888


class MortalDecoder:
    def __init__(self, folder: Path) -> None:
        self._died = folder / "died"

    def decode(self, windows: Sequence[Window], final: bool) -> list[Decoded]:
        for window in windows:
            first = int(window.samples[0])
            if first == DEADLY or (first == FATAL_ONCE and not self._died.exists()):
                self._died.touch()
                os._exit(9)
            if first == STUCK:
                time.sleep(3600)
        return [Decoded(f"звук {len(window.samples) * 1000 // window.rate_hz}", -0.1, 2) for window in windows]


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    options = WorkerOptions.decode(sys.argv[1])
    if options.device == "never starts":
        os._exit(1)
    profile = EngineProfile(partial_every_ms=1)
    Server(MortalDecoder(Path(options.folder)), profile, sys.stdin.buffer, answers).run()
    os._exit(0)


if __name__ == "__main__":
    main()
