"""Composition: builds the object graph from settings, runs the processes, offers the command line."""
