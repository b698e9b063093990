"""How well, how fast and at what cost each installed speech engine works on this machine: `ai-admin models bench`.

Every engine is measured in a fresh process of its own, so that its memory is its own and a crash costs one row.
"""
