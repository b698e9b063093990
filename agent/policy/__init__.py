"""What to do next, as small pure rules. A rule takes a View and gives a Move, or None for "not mine"."""
