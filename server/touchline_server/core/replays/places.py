"""The places of cursors that are of another log: where their time is in the log of today.

After a failover to a mirror all clients come back at once, each with a cursor of the old cluster. Their times are
rounded down, and each is looked up once per partition for all who ask for it, also for a while after the answer. So the
cost follows from how long ago the rooms had their newest events, not from the number of clients.

Rules:

1. The lookup goes back ``margin_ms`` further than the cursor's time: a mirror may lack the cursor's event, and what
   was written instead may bear an earlier time, by another producer's clock. A log that has the event needs no margin,
   since the first record of its time or later cannot come behind it.
2. Connections take turns, a lookup each, and at most `LOOKUPS_MAX` are under way.
3. A place stays right while the partition loses nothing: records that are appended later come behind it.
4. A record with a time in the future makes the log's answer too early. It is used if all behind it may be read, since
   it needs no trust in any clock, and else the window's (`window_times`).
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeAlias

from touchline_protocol import codes
from touchline_server.core.catch_up import CatchUpQueue
from touchline_server.core.clients.client import Client, ClientSubscription
from touchline_server.core.clocks import LoopMs, Now
from touchline_server.core.effects import Effect, FindOffset, Owner, Unreachable
from touchline_server.core.rooms.partition_window import PartitionWindow
from touchline_server.core.subscription import GO_ON, Phase, Step

from .turns import Turns
from .window_times import WindowTimes

LOOKUPS_MAX = 4
"""Lookups under way: the log answers one at a time, and the next ones are chosen as late as can be."""

TIME_STEP_MS = 1_000
"""Times are rounded down to whole seconds: clients of one moment then share a lookup, and receive at most one second's
events more than they need."""

PLACE_KEPT_MS = 10_000
"""How long a place is kept for those who come later: clients that lost their cluster come back within seconds."""

PLACES_MAX = 10_000
"""Places kept, some 300 bytes each: one for each second and partition in which a room had its newest event."""

Lookup: TypeAlias = tuple[PartitionWindow, int, int]
"""A time (Unix milliseconds) in one generation of a partition."""


class _Place(NamedTuple):
    first: int | None
    in_window: int | None
    found_ms: LoopMs


class _Times(NamedTuple):
    generation: int
    times: WindowTimes
    made_ms: LoopMs


class PlaceLookups(Generic[Owner]):
    """The lookups. Subscriptions go back to ``catch_up`` when their place is known."""

    def __init__(self, catch_up: CatchUpQueue[Owner], margin_ms: int) -> None:
        self._catch_up = catch_up
        self._margin_ms = margin_ms
        self._free = LOOKUPS_MAX
        self._turns: Turns[Client[Owner], Lookup] = Turns()
        self._waiting: dict[Lookup, list[ClientSubscription[Owner]]] = {}
        self._asked: dict[int, Lookup] = {}
        self._known: list[tuple[ClientSubscription[Owner], _Place]] = []
        self._places: dict[Lookup, _Place] = {}
        self._times: dict[PartitionWindow, _Times] = {}
        self._last_number = 0

    def add(self, subscription: ClientSubscription[Owner]) -> None:
        """Queue a subscription whose step asked for its place (`NextStep.PLACE`)."""
        window = subscription.room.contents.window
        since_ms = max(0, (subscription.request.ts or 0) - self._margin_ms) // TIME_STEP_MS * TIME_STEP_MS
        lookup = (window, window.generation, since_ms)
        if (place := self._places.get(lookup)) is not None:
            self._known.append((subscription, place))
            return
        waiting = self._waiting.setdefault(lookup, [])
        waiting.append(subscription)
        if lookup not in self._asked.values():
            self._turns.add(subscription.client, lookup)

    def start_queued(self, now: Now) -> Iterator[Effect[Owner]]:
        """Answer those whose place is known, and ask for as many others as may be under way."""
        known, self._known = self._known, []
        for subscription, place in known:
            yield from self._give(subscription, place, now)
        while self._free and (client := self._turns.take()) is not None:
            lookup = next(iter(self._turns.items(client)))
            self._turns.remove(client, lookup)
            self._turns.give_back(client)
            if self._is_wanted(lookup):
                self._free -= 1
                self._last_number += 1
                self._asked[self._last_number] = lookup
                yield FindOffset(self._last_number, lookup[0], lookup[2])

    def found(self, number: int, answer: int | Unreachable | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to a `FindOffset`; None if the log does not reach back that far."""
        lookup = self._asked.pop(number)
        self._free += 1
        waiting = self._waiting.pop(lookup)
        if isinstance(answer, Unreachable):
            for subscription in waiting:
                yield from self._refuse(subscription, answer, now)
        else:
            place = _Place(answer, self._find_in_window(lookup, answer, waiting, now), now.loop_ms)
            if len(self._places) < PLACES_MAX:
                self._places[lookup] = place
            for subscription in waiting:
                yield from self._give(subscription, place, now)
        yield from self.start_queued(now)

    def tick(self, now: Now) -> None:
        """Forget places that are too old to be shared."""
        oldest = now.loop_ms - PLACE_KEPT_MS
        if self._times:
            self._times = {window: each for window, each in self._times.items() if each.made_ms >= oldest}
        if self._places:
            self._places = {lookup: place for lookup, place in self._places.items() if place.found_ms >= oldest}

    def _find_in_window(
        self, lookup: Lookup, answer: int | None, waiting: list[ClientSubscription[Owner]], now: Now
    ) -> int | None:
        """The place by the window's own times, if the log's answer is of no use to some who wait for it."""
        window, generation, since_ms = lookup
        if generation != window.generation or not any(each.is_place_too_far(answer) for each in waiting):
            return None
        known = self._times.get(window)
        if known is None or known.generation != generation:
            times = WindowTimes(window, now.unix_ms + self._margin_ms)
            known = self._times[window] = _Times(generation, times, now.loop_ms)
        return known.times.first_since(since_ms, self._margin_ms)

    def _is_wanted(self, lookup: Lookup) -> bool:
        """Whether a lookup is still to be asked: not if it is under way, or all who waited for it have left."""
        if lookup not in self._waiting or lookup in self._asked.values():
            return False
        self._waiting[lookup] = [each for each in self._waiting[lookup] if each.phase is not Phase.LEFT]
        if not self._waiting[lookup]:
            del self._waiting[lookup]
        return lookup in self._waiting

    def _give(self, subscription: ClientSubscription[Owner], place: _Place, now: Now) -> Iterator[Effect[Owner]]:
        if subscription.phase is Phase.LEFT:
            return
        step: Step = GO_ON if subscription.is_over else subscription.at_place(place.first, place.in_window)
        yield from self._catch_up.write_step(subscription, step, now)

    def _refuse(
        self, subscription: ClientSubscription[Owner], unreachable: Unreachable, now: Now
    ) -> Iterator[Effect[Owner]]:
        if subscription.phase is Phase.LEFT:
            return
        client = subscription.client
        why = f"only the log can find the place of a cursor of another log, and it does not answer: {unreachable.why}"
        client.refuse(subscription, codes.UNAVAILABLE, why)
        yield from client.take_effects(now)
