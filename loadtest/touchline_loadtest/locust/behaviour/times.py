"""How long people do things. Pure."""

import math
from random import Random

SPREAD = 0.6
"""The standard deviation of the logarithm: most people stay between half and twice the typical time."""
ACT_S_MIN = 0.08
"""The fastest fingers manage twelve taps a second."""


def long_tail_s(typical_s: float, random: Random) -> float:
    """A time whose median is ``typical_s``, log-normal as visits to pages and streams are."""
    return random.lognormvariate(math.log(typical_s), SPREAD) if typical_s > 0 else 0.0


def until_next_action_s(per_s: float, random: Random) -> float:
    """The pause before somebody's next action, who acts ``per_s`` times a second on average, at random."""
    return max(ACT_S_MIN, random.expovariate(per_s))
