"""How cheaters act, with the bots of cheatwatch's own evaluation: those that each of its rules must catch. Pure."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any, NamedTuple

from touchline_cheatwatch.evaluation.bots import BOTS
from touchline_cli.suggestions import did_you_mean_or_all
from touchline_protocol.errors import OperatorError

TIMED = ("clicker", "metronome", "teleporter")
"""Bots that act by themselves; the others react to events."""
REACTIVE = ("sniper", "liar")
CHEATS = (*TIMED, *REACTIVE)
ROUND_S = 60.0
"""How far ahead a bot's actions are planned."""
SNIPER_S = (0.001, 0.02)
"""How fast a sniper answers; a person needs 0.16 s."""
LIAR_POINTS = 1000
"""What a liar claims to have won, for each event."""


class Act(NamedTuple):
    """An action, and when: in seconds since the beginning, or after the event that it answers."""

    at_s: float
    kind: str
    data: Any


def check_cheats(text: str) -> list[str]:
    """The cheats that ``text`` names, with commas between them.

    Raises:
        OperatorError: there is no such cheat.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in CHEATS:
            raise OperatorError(f"there is no cheat {name!r}{did_you_mean_or_all(name, CHEATS)}")
    return names


def timed_acts(cheat: str, random: Random) -> Iterator[Act]:
    """The actions of a bot of `TIMED`, without end, in the order of time."""
    _, bot = BOTS[cheat]
    for number in count():
        acts = sorted(bot(random, ROUND_S, (), 0.0), key=lambda act: act.at_s)
        for act in acts:
            yield Act(number * ROUND_S + act.at_s, act.kind, act.data)


def reaction(cheat: str, events_seen: int, random: Random) -> Act:
    """How a bot of `REACTIVE` answers an event, the ``events_seen``-th."""
    delay_s = random.uniform(*SNIPER_S)
    if cheat == "liar":
        return Act(delay_s, "score", {"score": events_seen * LIAR_POINTS})
    return Act(delay_s, "react", {})
