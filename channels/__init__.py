"""Messengers behind one port. Knows neither voice nor telephony."""
