"""A strict WhatsApp Cloud API: one business account, one number, people with and without visible numbers."""

from tests.simulators.channel.protocol import SimulatedChannel
from tests.simulators.whatsapp.server import WhatsappSimulator

SIMULATOR = SimulatedChannel("whatsapp", WhatsappSimulator)
