"""The processes of the product; each module has `run(settings, lifeline, stop)`."""
