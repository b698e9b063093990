"""A process that holds one synthesis engine: `python -m media_models.speech_worker OPTIONS`.

A process of its own keeps an engine's crashes, its CPU and its licence (espeak-ng and piper-tts are GPL-3) away from
the calls. See `wire` for what is said over the pipe, `server` for the order of service.
"""
