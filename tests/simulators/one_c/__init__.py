"""A strict 1C base behind its standard OData interface: https://1cfresh.com/articles/data_odata"""

from tests.simulators.one_c.server import OneCSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("one_c", OneCSimulator)
