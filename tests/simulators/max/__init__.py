"""A strict MAX Bot API: one bot, people who start and stop it, webhook or long poll."""

from tests.simulators.channel.protocol import SimulatedChannel
from tests.simulators.max.server import MaxSimulator

SIMULATOR = SimulatedChannel("max", MaxSimulator)
