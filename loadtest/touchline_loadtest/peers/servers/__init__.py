"""One module per peer, with its configuration beside it."""
