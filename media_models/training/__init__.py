"""How the embedded Russian recogniser is made: text, voices, telephone channel, network, training, conversion.

One command: ``python -m media_models.training --work DIR --minutes 180`` (needs torch and scipy, see README.md).
Everything is synthetic; nothing is downloaded.
"""
