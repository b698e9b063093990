"""Versioned prompt texts, one file per language and version."""
