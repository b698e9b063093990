"""The company API, version 1: everything a program of the salon may do, by key."""
