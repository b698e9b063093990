"""A strict Planfix, REST API 1.6: https://planfix.com/help/REST_API_Introduction"""

from tests.simulators.planfix.server import PlanfixSimulator
from tests.simulators.vendor.crm import VendorSimulator

SIMULATOR = VendorSimulator("planfix", PlanfixSimulator)
"""Tasks of a template with a text field of ours, contacts, users; POST for lists, success said in the body."""
