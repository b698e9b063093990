"""A strict RetailCRM, API v5: https://docs.retailcrm.ru/Developers/API/APIVersions/APIv5"""

from tests.simulators.retailcrm.server import RetailSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("retailcrm", RetailSimulator)
"""Customers, orders with delivery hours, their history; forms with JSON inside; nobody is called by itself."""
