"""Measuring: the machine, the processes, the server under test, its audience, a measurement, and results."""
