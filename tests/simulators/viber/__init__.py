"""A strict Viber Bot API: one bot, its subscribers, callbacks signed with the token."""

from tests.simulators.channel.protocol import SimulatedChannel
from tests.simulators.viber.server import ViberSimulator

SIMULATOR = SimulatedChannel("viber", ViberSimulator)
