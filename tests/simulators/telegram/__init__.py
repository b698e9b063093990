"""The Bot API as its documentation describes it, strict: https://core.telegram.org/bots/api."""

from tests.simulators.channel.protocol import SimulatedChannel
from tests.simulators.telegram.server import TelegramSimulator

SIMULATOR = SimulatedChannel("telegram", TelegramSimulator)
