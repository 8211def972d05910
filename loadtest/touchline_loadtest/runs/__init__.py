"""The run folder: what any load test, benchmark or comparison writes, and the report reads."""
