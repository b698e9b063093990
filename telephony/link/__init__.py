"""The call leg's vocabulary over a Unix socket: `edge` owns the legs, `brain` runs the conversations."""
