"""A strict amoCRM, API v4: https://www.amocrm.ru/developers/content/crm_platform/api-reference"""

from tests.simulators.amocrm.server import AmoSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("amocrm", AmoSimulator)
