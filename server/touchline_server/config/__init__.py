"""The settings of a server: what an operator can set, and how settings are loaded from their sources."""
