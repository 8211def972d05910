"""The command line: one module per command. Puts the server's parts to use and holds nothing that they need."""
