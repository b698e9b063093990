"""ElevenLabs on this machine: text to speech over a WebSocket (stream-input)."""
