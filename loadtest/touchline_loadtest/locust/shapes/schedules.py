"""The schedules, by the names that ``--shape`` takes. Pure.

Each is a function of the number of users, at least one, and of the length of the test in seconds.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from .schedule import Cue, CueKind, Schedule, Step

MakeSchedule: TypeAlias = Callable[[int, float], Schedule]

ARRIVAL_S = 10.0
"""How long users take to arrive, in shapes that are about something else."""
KICK_OFF_S = 30.0
"""Everybody comes within this time. In the minutes before a match, an audience grows this fast."""
ARRIVAL_SHARE = 1 / 3
"""The largest share of a test that users may take to arrive; it counts in short tests."""
RAMP_STEPS = 10
REACTION_S = 3.0
"""Players react to a goal within this time."""
AWAY_SHARE = 0.7
"""The share of the users that leaves at half-time."""
FLEET_FAULTS = (
    CueKind.KILL_WORKER,
    CueKind.KILL,
    CueKind.KILL_KEEPER,
    CueKind.KILL_REDIS,
    CueKind.EMPTY_REDIS,
    CueKind.KILL_BROKER,
    CueKind.KILL_KAFKA,
)
"""In this order. Each waits until the one before is over, and everything is ready again."""
FLEET_FIRST, FLEET_STEP, FLEET_LAST = 0.13, 0.09, 0.88
"""Shares of the test at which the first fault comes, between two of them, and at which the newcomers come."""
LEAVE_SHARE, RETURN_SHARE = 0.1, 0.1
"""Shares of a test that the leaving and the return at half-time take."""


def steady(users: int, seconds: float) -> Schedule:
    """Everybody arrives and stays."""
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)])


def ramp(users: int, seconds: float) -> Schedule:
    """The audience grows in ten equal steps, one every tenth of the test; each is reached halfway to the next."""
    step_s = seconds / RAMP_STEPS
    counts = [-(-users * number // RAMP_STEPS) for number in range(1, RAMP_STEPS + 1)]
    growth = [count - before for before, count in zip([0, *counts], counts, strict=False)]
    return Schedule(
        seconds,
        [
            Step(number * step_s, count, max(1, new) * 2 / step_s)
            for number, (count, new) in enumerate(zip(counts, growth, strict=True))
            if new
        ],
    )


def kick_off(users: int, seconds: float) -> Schedule:
    """Everybody arrives within 30 s (a third of the test, if that is shorter) and stays."""
    return Schedule(seconds, [_arrival(users, seconds, KICK_OFF_S)])


def goal(users: int, seconds: float) -> Schedule:
    """Two goals, at 1/2 and 3/4 of the test: a burst of events, and players react within seconds."""
    goals = [Cue(seconds * share, CueKind.GOAL, within_s=REACTION_S) for share in (0.5, 0.75)]
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], goals)


def half_time(users: int, seconds: float) -> Schedule:
    """Most users leave at 4/10 of the test, and come back with their cursors from 6/10 on."""
    leave = Cue(seconds * 0.4, CueKind.LEAVE, AWAY_SHARE, seconds * LEAVE_SHARE)
    come_back = Cue(seconds * 0.6, CueKind.RETURN, within_s=seconds * RETURN_SHARE)
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], [leave, come_back])


def edge_drain(users: int, seconds: float) -> Schedule:
    """An edge is shut down halfway, and its clients move to others, or to it when it is back."""
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], [Cue(seconds / 2, CueKind.DRAIN)])


def rolling_restart(users: int, seconds: float) -> Schedule:
    """Two edges are restarted, one after the other: the second as soon as the first is back, but not before 13/20."""
    restarts = [Cue(seconds * share, CueKind.DRAIN) for share in (0.35, 0.65)]
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], restarts)


def edge_kill(users: int, seconds: float) -> Schedule:
    """An edge is killed halfway, without a farewell, and started again."""
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], [Cue(seconds / 2, CueKind.KILL)])


def worker_kill(users: int, seconds: float) -> Schedule:
    """A worker of an edge is killed halfway."""
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], [Cue(seconds / 2, CueKind.KILL_WORKER)])


def fleet_faults(users: int, seconds: float) -> Schedule:
    """Everything fails once, one after the other. In the end clients come who have seen nothing of it."""
    arrival_s = min(KICK_OFF_S, seconds * FLEET_FIRST)
    times = [seconds * (FLEET_FIRST + FLEET_STEP * number) for number in range(len(FLEET_FAULTS))]
    faults = [Cue(at_s, kind) for at_s, kind in zip(times, FLEET_FAULTS, strict=True)]
    cues = [*faults, Cue(seconds * FLEET_LAST, CueKind.NEWCOMERS)]
    return Schedule(seconds, [_arrival(users, seconds, arrival_s)], cues)


def avalanche(users: int, seconds: float) -> Schedule:
    """All connections are cut at once, halfway."""
    return Schedule(seconds, [_arrival(users, seconds, ARRIVAL_S)], [Cue(seconds / 2, CueKind.CUT)])


def _arrival(users: int, seconds: float, arrival_s: float) -> Step:
    return Step(0.0, users, users / min(arrival_s, seconds * ARRIVAL_SHARE))


SCHEDULES: Mapping[str, MakeSchedule] = {
    "steady": steady,
    "ramp": ramp,
    "kick-off": kick_off,
    "goal": goal,
    "half-time": half_time,
    "edge-drain": edge_drain,
    "rolling-restart": rolling_restart,
    "edge-kill": edge_kill,
    "worker-kill": worker_kill,
    "fleet-faults": fleet_faults,
    "avalanche": avalanche,
}
