"""The node: one process's parts, put together and run."""
