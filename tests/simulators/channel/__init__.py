"""What the strict simulators of messengers share: the protocol, the common half, delivery, playing by hand."""
