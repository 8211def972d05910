"""Compares the clocks that times come from: those of edges and of producers, which may be hours apart.

Pure, and bounded. Its measure is our own clock, which is never set: the service's time since its start. A record is a
little older than now when it is read. So the least age seen lately is how far the other clock is behind ours, plus the
time that reading takes, which is about the same for all. Rules:

1. Where reading lags, nothing can be told: a lead counts once it was the same for a while (`Lead.ms`).
2. Clients cannot change a lead. They choose neither an edge's stamps nor when these are read.
"""

from collections import OrderedDict, deque
from typing import NamedTuple, TypeAlias, TypeVar

from touchline_cheatwatch.types import Now

STEP_MS = 1_000
"""Clocks that are farther apart are wrong, and not just inexact. Reading takes less."""

DOUBT_MS = 50
"""Where both are read at once, clocks can be compared this exactly. The rule `reaction` allows for as much."""

SLICE_MS = 5_000
SLICES = 12
"""Slices of time that a lead is measured over, without those in which nothing was read. That is at least a minute."""

CLOCKS_MAX = 256
"""Clocks of edges that are remembered: one for each edge, and one more whenever it restarts."""
FEEDS_MAX = 256

KeyT = TypeVar("KeyT")
Clock: TypeAlias = tuple[str, str]
"""An edge, and the name of its clock."""


class ClockNotice(NamedTuple):
    """An edge's clock is wrong. ``ahead_ms`` is how far it is ahead of this computer's; 0: right again. If
    ``set_back_ms``, it gave a player's action a time that is this much earlier than that of the action before."""

    edge: str
    ahead_ms: int = 0
    set_back_ms: int = 0


class Lead:
    """How far another clock is ahead of ours.

    ``ms`` is None until two slices agree. They do not while older records are being read one after the other.
    """

    __slots__ = ("_begun_ms", "_slices", "ms", "noticed_ms")

    def __init__(self) -> None:
        self._begun_ms = 0
        self._slices: deque[int] = deque(maxlen=SLICES)
        self.ms: int | None = None
        self.noticed_ms = 0
        """What the last notice said."""

    def add(self, ahead_ms: int, now_ms: int) -> bool:
        """Something was read now that is younger than now by ``ahead_ms``. Returns whether a slice of time began."""
        slices = self._slices
        is_new = not slices or now_ms - self._begun_ms >= SLICE_MS
        if is_new:
            self._begun_ms = now_ms
            slices.append(ahead_ms)
        elif ahead_ms > slices[-1]:
            slices[-1] = ahead_ms
        else:
            return False
        newest = max(slices)
        self.ms = newest if sum(newest - one < STEP_MS for one in slices) > 1 else None
        return is_new


class Clocks:
    """The clocks of all edges and of each feed's producers."""

    def __init__(self) -> None:
        self._edges: OrderedDict[Clock, Lead] = OrderedDict()
        self._feeds: OrderedDict[str, Lead] = OrderedDict()
        self._set_by_ms = 0

    def read_action(self, clock: Clock, received_ms: int, now: Now) -> ClockNotice | None:
        """An action with this time was read now. Returns what there is to say about its edge's clock."""
        lead = _entry(self._edges, clock, CLOCKS_MAX)
        if not lead.add(received_ms - now.steady_ms, now.steady_ms) or lead.ms is None:
            return None
        self._set_by_ms = now.unix_ms - now.steady_ms
        ahead_ms = lead.ms - self._set_by_ms
        if abs(ahead_ms) < STEP_MS:
            ahead_ms = 0
        if abs(ahead_ms - lead.noticed_ms) < STEP_MS:
            return None
        lead.noticed_ms = ahead_ms
        return ClockNotice(clock[0], ahead_ms)

    def read_event(self, feed: str, event_ms: int, now_ms: int) -> None:
        """An event with this time was read now."""
        _entry(self._feeds, feed, FEEDS_MAX).add(event_ms - now_ms, now_ms)

    def forget_feeds(self) -> None:
        """Events were missed, or their log is a different one."""
        self._feeds.clear()

    def lead_ms(self, clock: Clock) -> int | None:
        """How far an edge's clock is ahead of ours; None if that is not known."""
        lead = self._edges.get(clock)
        return None if lead is None else lead.ms

    def ahead_ms(self) -> dict[str, int]:
        """How far each edge's newest clock is ahead of this computer's, as far as that is known."""
        return {
            edge: ms - self._set_by_ms for (edge, _), lead in list(self._edges.items()) if (ms := lead.ms) is not None
        }

    def event_clock_ms(self, clock: Clock, feed: str, received_ms: int) -> int | None:
        """An edge's time on the clock of a feed's producers; None if the two cannot be compared.

        A difference of less than `STEP_MS` may be due to events that were read late. Then the player has the benefit of
        the doubt: the time is made earlier by no more than `DOUBT_MS`.
        """
        lead, events_lead = self.lead_ms(clock), self._feeds.get(feed)
        events_ms = None if events_lead is None else events_lead.ms
        if lead is None or events_ms is None:
            return None
        apart_ms = lead - events_ms
        return received_ms - (apart_ms if abs(apart_ms) >= STEP_MS else min(apart_ms, DOUBT_MS))


def _entry(leads: OrderedDict[KeyT, Lead], key: KeyT, count_max: int) -> Lead:
    """The lead of this key, which is now the last one to be forgotten."""
    lead = leads.get(key)
    if lead is None:
        lead = leads[key] = Lead()
        if len(leads) > count_max:
            leads.popitem(last=False)
    else:
        leads.move_to_end(key)
    return lead
