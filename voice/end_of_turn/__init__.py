"""The end of a caller's turn: prosody, wording and a small model that says how long to wait."""
