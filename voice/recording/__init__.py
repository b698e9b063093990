"""Recordings: raw frames appended while the call runs, a stereo Ogg/Opus file afterwards, repair after a crash."""
