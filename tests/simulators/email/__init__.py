"""A mail provider: one mailbox read by IMAP (RFC 3501, IDLE, SPECIAL-USE) and written to by SMTP (RFC 5321).

Strict: unknown commands, arguments in the wrong state and bare line feeds are errors, as at a real server.
"""

from tests.simulators.channel.protocol import SimulatedChannel
from tests.simulators.email.simulator import EmailSimulator

SIMULATOR = SimulatedChannel("email", EmailSimulator)
