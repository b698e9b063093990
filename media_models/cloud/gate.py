"""The only place where speech leaves this machine: every connection to a vendor is opened here, under the rule of the
company's data region. Proxies of the environment are not used: they could stand anywhere.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from core.errors import ConfigurationError
from media_models.regions import check_host, is_this_machine

if TYPE_CHECKING:
    from grpc.aio import Channel

INSTALL_GRPC = (
    "установите поддержку облачной речи: pip install 'ai-admin[cloud-speech]', а из исходников pip install "
    "--require-hashes -r requirements/cloud-speech.txt"
)
LARGEST_MESSAGE = 4_000_000
_GRPC_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    # While a stream is open: a dead line is noticed in 13 s though nobody speaks. Servers forbid more frequent pings.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A vendor that was down is tried again soon, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    host: str
    port: int = 443

    @property
    def secure(self) -> bool:
        """TLS everywhere but on this machine."""
        return not is_this_machine(self.host)

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Gate:
    """The way out for one company."""

    region: str
    """ISO 3166 country of the company."""

    def check(self, endpoint: Endpoint) -> None:
        """Raises ForeignTransfer when the company's speech may not go there."""
        check_host(self.region, endpoint.host)

    def grpc(self, endpoint: Endpoint) -> "Channel":
        """A channel; it connects with its first call. Raises ForeignTransfer, ConfigurationError without grpcio."""
        self.check(endpoint)
        grpc = import_grpc()
        channel: Channel
        if endpoint.secure:
            channel = grpc.aio.secure_channel(endpoint.address, grpc.ssl_channel_credentials(), options=_GRPC_OPTIONS)
        else:
            channel = grpc.aio.insecure_channel(endpoint.address, options=_GRPC_OPTIONS)
        return channel

    def http(self, endpoint: Endpoint, connect_s: float) -> httpx.AsyncClient:
        """A client for this host alone: redirects, which could lead elsewhere, are not followed."""
        self.check(endpoint)
        return httpx.AsyncClient(
            base_url=f"{'https' if endpoint.secure else 'http'}://{endpoint.address}",
            timeout=httpx.Timeout(None, connect=connect_s),
            follow_redirects=False,
            trust_env=False,
        )

    def websocket(
        self, endpoint: Endpoint, path: str, headers: Mapping[str, str], connect_s: float
    ) -> AbstractAsyncContextManager[ClientConnection]:
        self.check(endpoint)
        return connect(
            f"{'wss' if endpoint.secure else 'ws'}://{endpoint.address}{path}",
            additional_headers=dict(headers),
            open_timeout=connect_s,
            close_timeout=0.05,
            max_size=LARGEST_MESSAGE,
            proxy=None,
        )


def import_grpc() -> Any:
    """grpc with its asyncio half. Raises ConfigurationError where the extra is not installed."""
    # Its own log goes to the error output past ours; what matters reaches us as statuses.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import grpc
        import grpc.aio
    except ImportError:
        raise ConfigurationError(INSTALL_GRPC) from None
    return grpc
