"""Calls that arrive through Twilio: the voice webhook, and the Media Streams socket as a call leg."""
