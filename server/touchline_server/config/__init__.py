"""The settings of a server: what an operator may set, and how the settings are put together from their sources."""
