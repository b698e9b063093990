"""What the salon remembers of a client between talks: visits, habits, a visit left half arranged, consents."""
