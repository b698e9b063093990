"""SpeechKit v3 on this machine: recognition and synthesis over gRPC, as strict as the vendor."""
