"""The brain that talks with a language model, on the same state, rules and tools as the scripted one."""
