"""SNI, HTTP/2 reuse and passthrough."""
