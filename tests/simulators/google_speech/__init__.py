"""Google Cloud Speech on this machine: Speech-to-Text v2 over gRPC and Text-to-Speech over HTTP."""
