"""The demonstration: a synthetic caller, the live view of its call, the summary."""
