"""Touchline's benchmark suite, ``make bench``: it runs the whole server as a process and drives it from outside."""
