"""Language: words of a caller in, facts out; facts of the salon in, well-formed words out. Knows no dialogue policy."""
