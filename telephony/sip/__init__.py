"""SIP (RFC 3261) over UDP: user agent server and client, digest, SDP, trunks."""
