"""How a client proves who it is, and how it knows the broker: TLS files, tokens, connections."""
