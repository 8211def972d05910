"""What does not happen at the clients of a process: answers, and events that others receive. Pure.

A server that says nothing breaks no rule that a message could show, so somebody has to look at the clock. Rules:

1. Each answer that a client waits for is reported once, after the client's ``answer_s_max``.
2. Events are known to flow in a room if any client of this process receives them; a join's ``head`` says nothing. A
   client that stays behind where the others already were ``answer_s_max`` ago is reported, once until it moves.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from .observer import Observer, Place

LOOK_S = 2.0
"""The time between looks: how much later than its limit a failure is reported."""


class _Reached(NamedTuple):
    """Some client had received the event at ``offset`` by ``at_s``."""

    at_s: float
    offset: int


class Patience:
    """That of one process."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, str], deque[_Reached]] = {}
        self._stalled: dict[tuple[str, str], int] = {}

    def look(self, observers: Iterable[Observer], now_s: float) -> list[Observer]:
        """Report what has been missing for too long; returns the clients that wait for an answer in vain."""
        observers = list(observers)
        places = [(observer, place) for observer in observers for place in observer.places()]
        self._note(places, now_s)
        stalled = {}
        newest_of: dict[tuple[str, str, float], int | None] = {}
        for observer, place in places:
            which = place.room, place.epoch, observer.answer_s_max
            if which not in newest_of:
                newest_of[which] = self._newest(place, now_s - observer.answer_s_max)
            newest = newest_of[which]
            if newest is None or not observer.is_behind(place, newest, now_s):
                continue
            stalled[observer.client, place.room] = place.covered
            if self._stalled.get((observer.client, place.room)) != place.covered:
                observer.report_stalled(place, newest)
        self._stalled = stalled
        return [observer for observer in observers if observer.report_overdue(now_s)]

    def _note(self, places: Iterable[tuple[Observer, Place]], now_s: float) -> None:
        """Note how far rooms are; all that is older than anybody's limit is forgotten."""
        furthest: dict[tuple[str, str], int] = {}
        limits_s: dict[tuple[str, str], float] = {}
        for observer, place in places:
            log = place.room, place.epoch
            furthest[log] = max(place.newest, furthest.get(log, -1))
            limits_s[log] = max(observer.answer_s_max, limits_s.get(log, 0.0))
        self._reached = {log: self._reached.get(log) or deque() for log in furthest}
        for log, offset in furthest.items():
            reached = self._reached[log]
            if not reached or offset > reached[-1].offset:
                reached.append(_Reached(now_s, offset))
            while len(reached) > 1 and reached[1].at_s <= now_s - limits_s[log]:
                reached.popleft()

    def _newest(self, place: Place, before_s: float) -> int | None:
        """How far the room was then; None if nobody knows."""
        offsets = (entry.offset for entry in self._reached[place.room, place.epoch] if entry.at_s <= before_s)
        return max(offsets, default=None)
