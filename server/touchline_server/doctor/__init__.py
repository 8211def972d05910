"""`touchline doctor`: compares a configuration with the real Kafka, the real Redis and this machine.

- `probes`: ask Kafka, Redis and the machine, and change nothing. Each returns facts.
- `facts`: what was learned. Values only.
- `rules`: settings and facts in, findings out. Pure.
- `finding`: one thing to change: how bad it is, what is wrong, and the cure.
- `examination`: runs the probes, and then all rules.
- `report`: findings as text and as JSON.

Rule: every decision about a fact belongs in `rules`, so that a test needs no broker for it.
"""
