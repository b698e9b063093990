"""The HTTP service `hs/api/v3` of 1C's fitness and beauty line: services, masters, free time and booking of its own.

The vendor's reference is not public in full; shapes are those that its clients show, read liberally.
"""
