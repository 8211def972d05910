"""What Touchline is compared with, each a small server of its own: ``python -m touchline_loadtest.baselines.NAME``."""
