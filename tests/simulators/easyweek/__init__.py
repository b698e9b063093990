"""A strict EasyWeek, public API v2, by what its clients are known to send and read (no reference is public)."""

from tests.simulators.easyweek.server import EasyweekSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("easyweek", EasyweekSimulator)
