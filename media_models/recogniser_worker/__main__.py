"""Entry point of the worker process: frames on stdin and stdout, ends when stdin ends."""

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path

from core.errors import ConfigurationError
from media_models.frames import Frame
from media_models.profiles import EngineProfile
from media_models.recogniser_worker.server import Server
from media_models.recogniser_worker.wire import Kind, WorkerOptions


def main() -> None:
    # The real stdout is for frames alone: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    options = WorkerOptions.decode(sys.argv[1])
    try:
        from media_models.decoder import WhisperDecoder  # 1 s of imports: only a worker pays it

        folder = Path(options.folder)
        profile = replace(EngineProfile.read(folder, options.device), **options.overrides)
        decoder = WhisperDecoder(folder, profile, options.device, options.compute_type)
    except ConfigurationError as error:
        answers.write(Frame(Kind.UNUSABLE, 0, error.message.encode()).encode())
        answers.flush()
        os._exit(1)
    with contextlib.suppress(BrokenPipeError):
        Server(decoder, profile, sys.stdin.buffer, answers).run()
    os._exit(0)  # the reader may hang in read(); nothing is left to clean up


if __name__ == "__main__":
    main()
