"""The benchmark suite of Touchline: ``make bench``. The whole server runs as a process, driven from outside."""
