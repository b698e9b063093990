"""A strict МойСклад, JSON API 1.2: https://dev.moysklad.ru/doc/api/remap/1.2/"""

from tests.simulators.moysklad.server import MoyskladSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("moysklad", MoyskladSimulator)
"""Counterparties, customers' orders with their own fields and states, webhooks; Moscow time, kopecks, gzip."""
