"""Versions of a company's prompt: drafts, checks, publishing, splits, statistics, feedback. See agent/README.md."""
