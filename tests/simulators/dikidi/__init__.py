"""DIKIDI's booking widget, by what wrappers of it send and read (nothing of it is documented by the vendor)."""

from tests.simulators.dikidi.server import DikidiSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("dikidi", DikidiSimulator)
