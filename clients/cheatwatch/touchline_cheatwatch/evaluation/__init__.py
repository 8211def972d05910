"""How good a rule set is: it simulates honest players and bots, and counts what the engine finds.

Pure: chance follows from a seed, and time is simulated. The clients send ``tap``, ``move`` (``x``, ``y``), ``react``
(``offset``) and ``score`` (``score``), the kinds that the built-in rule set knows.
"""
