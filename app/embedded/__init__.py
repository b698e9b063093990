"""Real PostgreSQL and Valkey servers from Python wheels, so that nothing has to be installed or signed up for."""

from app.embedded.stack import EmbeddedStack

__all__ = ["EmbeddedStack"]
