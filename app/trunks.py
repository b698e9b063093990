"""SIP providers from the settings: who may call, where to register. Bad entries are named, passwords are not."""

import ipaddress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from core.errors import ConfigurationError
from core.settings import Settings
from telephony.sip.trunk import DialledFrom, SourcePolicy, Trunk


class _TrunkEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    host: Annotated[str, Field(min_length=1)]
    user: str = ""
    password: SecretStr = SecretStr("")
    auth_user: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 5060
    domain: str = ""
    register_: Annotated[bool, Field(alias="register")] = True
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    dialled_from: DialledFrom = DialledFrom.REQUEST_URI

    def trunk(self) -> Trunk:
        return Trunk(
            name=self.name,
            host=self.host,
            user=self.user,
            password=self.password.get_secret_value(),
            auth_user=self.auth_user,
            port=self.port,
            domain=self.domain,
            register=self.register_,
            networks=self.networks,
            dialled_from=self.dialled_from,
        )


def trunks_of(settings: Settings) -> tuple[Trunk, ...]:
    """Raises ConfigurationError that names the entry and the field."""
    try:
        entries = TypeAdapter(list[_TrunkEntry]).validate_json(settings.sip_trunks.get_secret_value())
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in row['loc']) or 'value'}: {row['msg']}"
            for row in error.errors(include_input=False)
        )
        raise ConfigurationError(f"AI_ADMIN_SIP_TRUNKS: {problems}") from None
    return tuple(entry.trunk() for entry in entries)


def source_policy(settings: Settings, trunks: tuple[Trunk, ...]) -> SourcePolicy:
    """The configured networks under the flood limit; trunks free of it."""
    networks = tuple(ipaddress.ip_network(network) for network in settings.sip_networks)
    return SourcePolicy(networks, tuple(network for trunk in trunks for network in trunk.networks))
