"""RTP (RFC 3550) for telephone calls: packets, jitter buffer, concealment, DTMF, one session a call."""
