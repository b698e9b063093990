"""A strict `hs/api/v3` service of 1C's fitness and beauty line, by the shapes that its clients show."""

from tests.simulators.one_c_hs.server import HsSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("one_c_hs", HsSimulator)
