"""VK's community messages as the schema and the documentation describe them, strict: https://dev.vk.com."""

from tests.simulators.channel.protocol import SimulatedChannel
from tests.simulators.vk.server import VkSimulator

SIMULATOR = SimulatedChannel("vk", VkSimulator)
