"""The commands of ``python -m touchline_loadtest``, a module each, imported when they run."""
