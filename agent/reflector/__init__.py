"""The STAMP reflector: `core` decides what is answered (pure), `server` owns the sockets."""
