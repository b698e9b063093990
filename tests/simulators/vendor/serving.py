"""A simulator on a loopback port, in the event loop of the test or of `ai-admin simulate`."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn

from tests.simulators.vendor.faults import App


@contextlib.asynccontextmanager
async def served(app: App, port: int = 0) -> AsyncIterator[str]:
    """Yields the base URL: http://127.0.0.1:PORT."""
    # with the protocol named, asyncio sets TCP_NODELAY on what it accepts: 44 ms a request otherwise
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", access_log=False, timeout_graceful_shutdown=1, ws="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve([listener]), name="simulator")
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listener.close()
