"""A strict Megaplan, API v3: https://dev.megaplan.ru/apiv3/index.html"""

from tests.simulators.megaplan.server import MegaplanSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("megaplan", MegaplanSimulator)
"""Todos, people, employees, rotating keys; filters that are not known are silently ignored."""
