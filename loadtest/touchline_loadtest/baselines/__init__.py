"""Small servers that Touchline is compared with, each a process: ``python -m touchline_loadtest.baselines.NAME``."""
