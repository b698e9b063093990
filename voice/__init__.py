"""One live conversation: listening, turn-taking, barge-in, speaking, what was heard, recording."""
