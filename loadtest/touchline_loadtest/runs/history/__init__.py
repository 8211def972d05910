"""What the checker compares, in the run folder: what each client saw (``traces/``) and what the log held (``log/``)."""
