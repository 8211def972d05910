"""The phases of a run: a jittery network, an avalanche, and an outage, for all contestants.

Rules:

1. All contestants share what takes long: they meet the jitter, and wait out the outage, at the same time.
2. They do not share what is timed: in an avalanche, and when the clients come back from the outage, the producers of
   all other contestants are paused.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from .contestant import Contestant
from .crowd import Crowd
from .outcome import Outcome, share
from .schedule import Absence, jitter

Outcomes = Mapping[str, Outcome]
"""Outcomes by the name of the contestant."""
Say = Callable[[str], None]
"""Reports progress."""

SEED = 13


class Plan(msgspec.Struct, frozen=True):
    """The lengths of the phases; one of 0 seconds is left out.

    In the avalanche clients are away for ``avalanche_s``: by default a second, the shortest delay of common client
    libraries. ``outage_events`` are published to each room in a burst at the end of the outage, so that a short outage
    can have as many missed events as a long one. Limits in time are then not met, but limits in number are. ``pause_s``
    is how long events flow before and after what happens, and how long nothing must arrive until a peer that has not
    delivered everything is given up.
    """

    jitter_s: float = 30.0
    away_max_s: float = 30.0
    avalanche_s: float = 1.0
    outage_s: float = 20.0
    outage_events: int = 640
    pause_s: float = 3.0


async def run_jitter(contestants: Sequence[Contestant], plan: Plan) -> Outcomes:
    """Every client is cut once, at a random time, for up to ``away_max_s``. All contestants at the same time."""
    for one in contestants:
        one.begin()
        one.feed.resume()

    async def run_one(one: Contestant) -> Outcome:
        clients = len(one.crowd.viewers)
        await asyncio.sleep(plan.pause_s)  # some peers give clients a position only with their first event
        await _follow(one.crowd, jitter(clients, within_s=plan.jitter_s, away_max_s=plan.away_max_s, seed=SEED))
        await asyncio.sleep(plan.pause_s)
        return await one.settle(plan.pause_s)

    outcomes = await asyncio.gather(*map(run_one, contestants))
    return {one.name: found for one, found in zip(contestants, outcomes, strict=True)}


async def run_avalanche(contestants: Sequence[Contestant], plan: Plan, say: Say) -> Outcomes:
    """All clients are cut at once, and all reconnect at once, ``avalanche_s`` later. One contestant after the other."""
    found = {}
    for one in contestants:
        one.begin()
        one.feed.resume()
        await asyncio.sleep(plan.pause_s)
        one.crowd.cut(one.crowd.viewers)
        await asyncio.sleep(plan.avalanche_s)
        one.crowd.bring_back(one.crowd.viewers)
        await asyncio.sleep(plan.pause_s)
        found[one.name] = await one.settle(plan.pause_s)
        say(f"{one.name}: {share(found[one.name])} delivered")
    return found


async def run_outage(contestants: Sequence[Contestant], plan: Plan, say: Say) -> Outcomes:
    """All clients are away for ``outage_s`` while events go on, with a burst of ``outage_events`` per room at the end.

    They wait together, and come back one contestant after the other, each all at once.
    """
    for one in contestants:
        one.begin()
        one.crowd.cut(one.crowd.viewers)
        one.feed.resume()
    await asyncio.sleep(plan.outage_s)
    for one in contestants:
        await one.feed.pause()
        await one.feed.burst(plan.outage_events)
    found = {}
    for one in contestants:
        one.feed.resume()
        one.crowd.bring_back(one.crowd.viewers)
        await asyncio.sleep(plan.pause_s)
        found[one.name] = await one.settle(plan.pause_s)
        say(f"{one.name}: {share(found[one.name])} delivered")
    return found


async def _follow(crowd: Crowd, absences: Sequence[Absence]) -> None:
    """Cut and bring back each client when its time has come."""
    moments = [(one.cut_s, True, one.client) for one in absences] + [
        (one.back_s, False, one.client) for one in absences
    ]
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for at_s, leaves, client in sorted(moments):
        await asyncio.sleep(max(0.0, began_s + at_s - loop.time()))
        (crowd.cut if leaves else crowd.bring_back)([crowd.viewers[client]])
