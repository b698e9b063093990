"""Which ports the product listens on: given ones are checked, zero takes a free one. A busy port names its remedy."""

import socket

from core.errors import ConfigurationError
from core.settings import Settings, variable_name

_KINDS = {
    "http_port": ("http_host", socket.SOCK_STREAM, "--http-port"),
    "sip_port": ("sip_host", socket.SOCK_DGRAM, "--sip-port"),
    "twilio_port": ("twilio_host", socket.SOCK_STREAM, "--twilio-port"),
}


def choose_ports(settings: Settings) -> dict[str, int]:
    """Setting name -> port that was free a moment ago. Raises ConfigurationError for one that is taken."""
    chosen: dict[str, int] = {}
    for name, (host_name, kind, option) in _KINDS.items():
        wanted = int(getattr(settings, name))
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((getattr(settings, host_name), wanted))
            except OSError as error:
                raise ConfigurationError(
                    f"{variable_name(name)}: port {wanted} cannot be used ({error.strerror}). "
                    f"Stop what listens there, or choose another: {option} PORT, 0 takes a free one"
                ) from None
            chosen[name] = probe.getsockname()[1]
    return chosen
