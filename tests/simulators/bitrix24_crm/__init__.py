"""The Bitrix24 portal without online booking, through an incoming webhook: deals and calendars."""

from tests.simulators.bitrix24.server import Bitrix24Simulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator(
    "bitrix24_crm", lambda file, now: Bitrix24Simulator(file, now, booking_module=False, application=False)
)
