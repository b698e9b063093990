"""Entry point of the worker process: frames on stdin and stdout, ends when stdin ends."""

import contextlib
import os
import sys

from media_models.speech_worker.engine import build_engine
from media_models.speech_worker.server import Server
from media_models.speech_worker.wire import WorkerOptions


def main() -> None:
    # The real stdout is for frames alone: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    options = WorkerOptions.decode(sys.argv[1])
    with contextlib.suppress(BrokenPipeError):
        Server(build_engine(options.engine, options.settings), options.rate_hz, sys.stdin.buffer, answers).run()
    os._exit(0)  # the reader may hang in read(); nothing is left to clean up


if __name__ == "__main__":
    main()
