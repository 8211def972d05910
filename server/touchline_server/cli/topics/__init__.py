"""`touchline topics`: the command, and what it says about each topic."""
