"""One module (or folder) for each messenger; they never import each other."""
