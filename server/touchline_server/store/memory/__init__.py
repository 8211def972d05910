"""The ports in memory: complete for one process, and gone with it."""
