"""The command line. It puts the server's parts to use and holds nothing that they need."""
