"""How many viewers the servers say there are, noted during a run, and compared with its clients after it."""
