"""One running product for all end-to-end tests that ask for `server`; how it stops is a test of its own."""

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.server import RunningServer, eventually, processes_of, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """`ai-admin serve` on free ports with the demo salon. On the way out SIGTERM must drain it and leave nobody."""
    with running_server() as server:
        yield server
        assert server.process.poll() is None, f"the server died during the tests:\n{server.log_text()[-4000:]}"
        assert len(processes_of(server.folder)) >= 6, "supervisor, web, edge, brain, jobs and two servers"
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0, server.log_text()[-4000:]
        eventually(lambda: not processes_of(server.folder), f"processes left: {processes_of(server.folder)}")
