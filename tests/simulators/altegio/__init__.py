"""A strict Altegio: https://developer.alteg.io/api (the dialect of tests.simulators.yclients)."""

from tests.simulators.vendor.crm import VendorSimulator
from tests.simulators.yclients.server import YclientsSimulator
from tests.simulators.yclients.state import ALTEGIO

SIMULATOR = VendorSimulator("altegio", lambda file, now: YclientsSimulator(ALTEGIO, file, now))
