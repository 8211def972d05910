"""From what users observe to Locust's table, its exit code and the run folder."""
