"""A strict YCLIENTS: https://developers.yclients.com/ru/ (REST API v1). Altegio is the same with another dialect."""

from tests.simulators.vendor.crm import VendorSimulator
from tests.simulators.yclients.server import YclientsSimulator
from tests.simulators.yclients.state import YCLIENTS

SIMULATOR = VendorSimulator("yclients", lambda file, now: YclientsSimulator(YCLIENTS, file, now))
