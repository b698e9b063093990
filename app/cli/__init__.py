"""The command line ``ai-admin``: serve, demo, chat, company, models, reset."""

from app.cli.main import main

__all__ = ["main"]
