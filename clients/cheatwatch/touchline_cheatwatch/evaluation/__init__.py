"""How good a rule set is: honest players and bots are simulated, and what the engine finds is counted.

Pure: chance follows from a seed, and time is simulated. The clients speak of ``tap``, ``move`` (``x``, ``y``),
``react`` (``offset``) and ``score`` (``score``), as the built-in rule set does.
"""
