"""Settings of the port that clients connect to, beside its address."""
