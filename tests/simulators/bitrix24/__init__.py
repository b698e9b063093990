"""A strict Bitrix24 portal: https://apidocs.bitrix24.ru. Here with online booking, as an application sees it;
`tests.simulators.bitrix24_crm` is one without that module, reached by an incoming webhook."""

from tests.simulators.bitrix24.server import Bitrix24Simulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("bitrix24", lambda file, now: Bitrix24Simulator(file, now))
