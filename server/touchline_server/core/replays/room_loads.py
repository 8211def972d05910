"""Rooms whose state from before the window is not known yet, and the clients that wait for it.

It is loaded from the room store, or the log is being read back for all rooms: then clients wait until that has ended. A
room is asked for when somebody first subscribes to it, once for all who do; connections take turns, a room each.
Records go on being read meanwhile. What follows depends on the store:

1. The log itself does not answer: clients that join are refused for now, since a state without its older half would
   look complete. A client that was in the room before goes on with what the window holds.
2. A store that another process fills (`NotYet`) is away or behind: clients join with what the window holds, and receive
   ``state_complete: false``. The room is asked for again, and when it is loaded its clients start over.
3. The store is ahead of this edge: its answer waits until the edge has read that far.
"""

from collections.abc import Iterator
from typing import Generic

from touchline_protocol import codes
from touchline_server.core.catch_up import CatchUpQueue
from touchline_server.core.clients.client import Client, ClientHub, ClientRoom, ClientSubscription
from touchline_server.core.clocks import LoopMs, Now
from touchline_server.core.effects import Effect, LoadRoom, Owner, Unreachable
from touchline_server.core.room_store import NotYet, StoredRoom
from touchline_server.core.rooms.old_records import Skip
from touchline_server.core.subscription import GO_ON, Phase

from .stored_answers import home_elsewhere, is_ahead, load_room, why_unusable
from .turns import Turns
from .unloaded_rooms import UnloadedRooms

LOADS_MAX = 4
"""Rooms asked for at the same time. The store answers one at a time, and the next ones are chosen as late as can be."""
AHEAD_MS_MAX = 1_000
"""How long an answer from ahead of this edge may wait. An edge that is further behind has other problems."""


class _Load(Generic[Owner]):
    """A room that clients wait for, or that is asked for again. ``generation`` is the room's when it was asked for,
    None before that."""

    __slots__ = ("generation", "room", "waiting")

    def __init__(self, room: ClientRoom[Owner]) -> None:
        self.room = room
        self.generation: int | None = None
        self.waiting: list[ClientSubscription[Owner]] = []


class RoomLoads(Generic[Owner]):
    """The loads. Subscriptions go back to ``catch_up`` when theirs has ended."""

    def __init__(self, hub: ClientHub[Owner], catch_up: CatchUpQueue[Owner]) -> None:
        self._hub = hub
        self._catch_up = catch_up
        self._free = LOADS_MAX
        # By the room itself, not by its name: a room that is forgotten meanwhile is another one when it is made again.
        self._loads: dict[ClientRoom[Owner], _Load[Owner]] = {}
        self._asked: dict[int, _Load[Owner]] = {}
        self._turns: Turns[Client[Owner], ClientRoom[Owner]] = Turns()
        self._last_number = 0
        self._waiting_for_log: list[ClientSubscription[Owner]] = []
        self._ahead: dict[int, tuple[StoredRoom, LoopMs]] = {}
        """Answers that the edge has to catch up with, and when they came."""
        self._unloaded: UnloadedRooms[Owner] = UnloadedRooms()
        self._is_away = False

    @property
    def waits_for_records(self) -> bool:
        """Whether answers wait until the edge has read further."""
        return bool(self._ahead)

    @property
    def waiting(self) -> int:
        """How many rooms are being loaded, or wait for it."""
        return len(self._loads)

    @property
    def unloaded(self) -> int:
        """How many rooms clients were let into without their older state."""
        return len(self._unloaded)

    def add(self, subscription: ClientSubscription[Owner]) -> None:
        """A subscription needs its room loaded."""
        room = subscription.room
        if room.contents.reading_back:
            self._waiting_for_log.append(subscription)
            return
        load = self._loads.get(room)
        if load is None:
            load = self._loads[room] = _Load(room)
        load.waiting.append(subscription)
        if load.generation is None:
            self._turns.add(subscription.client, room)

    def start_queued(self, now: Now) -> Iterator[Effect[Owner]]:
        """Ask for as many rooms as may be asked for at once."""
        while self._free and (client := self._turns.take()) is not None:
            room = next(iter(self._turns.items(client)))
            self._turns.remove(client, room)
            self._turns.give_back(client)
            load = self._loads.get(room)
            if load is None or load.generation is not None:
                continue  # another client has asked for it
            if all(subscription.phase is Phase.LEFT for subscription in load.waiting):
                del self._loads[room]
            elif self._is_away:
                del self._loads[room]
                yield from self._go_on_without(load, now)
            else:
                yield self._ask(load)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """Ask again for rooms that were not loaded, if it is time. Call this periodically."""
        for number, (_, since_ms) in list(self._ahead.items()):
            if now.loop_ms - since_ms > AHEAD_MS_MAX:
                del self._ahead[number]
                yield from self._end(number, NotYet("this edge is behind it"), now)[1]
        self._unloaded.begin_round(now.loop_ms, is_away=self._is_away)
        yield from self._ask_again()

    def records_read(self, now: Now) -> tuple[list[Skip], list[Effect[Owner]]]:
        """Records were read: answers from ahead may hold now. Returns skipped records."""
        skips: list[Skip] = []
        effects: list[Effect[Owner]] = []
        for number, (answer, _) in list(self._ahead.items()):
            load = self._asked[number]
            is_current = load.generation == load.room.contents.generation
            if not (is_current and is_ahead(load.room.contents, answer)):
                del self._ahead[number]
                more_skips, more_effects = self._end(number, answer, now)
                skips += more_skips
                effects += more_effects
        return skips, effects

    def read_back(self, now: Now) -> list[Effect[Owner]]:
        """The log may have been read back: let the subscriptions go on whose rooms are known now."""
        waiting, self._waiting_for_log = self._waiting_for_log, []
        effects: list[Effect[Owner]] = []
        for subscription in waiting:
            if subscription.phase is Phase.LEFT:
                continue
            if subscription.room.contents.reading_back:
                self._waiting_for_log.append(subscription)
            else:
                effects += self._catch_up.write_step(subscription, GO_ON, now)
        return effects

    def loaded(
        self, number: int, answer: StoredRoom | NotYet | Unreachable | None, now: Now
    ) -> tuple[list[Skip], list[Effect[Owner]]]:
        """The answer to a `LoadRoom`; None if the store does not know the room. Returns skipped records."""
        load = self._asked[number]
        contents = load.room.contents
        is_current = load.generation == contents.generation
        if is_current and isinstance(answer, StoredRoom) and is_ahead(contents, answer):
            self._ahead[number] = answer, now.loop_ms
            return [], []
        return self._end(number, answer, now)

    def _ask(self, load: _Load[Owner]) -> LoadRoom:
        self._free -= 1
        self._last_number += 1
        self._asked[self._last_number] = load
        load.generation = load.room.contents.generation
        return load_room(self._hub, load.room, self._last_number)

    def _ask_again(self) -> Iterator[LoadRoom]:
        """Ask again for the rooms whose turn it is."""
        while self._free and (room := self._unloaded.take(self._loads)) is not None:
            load = self._loads[room] = _Load(room)
            yield self._ask(load)

    def _end(
        self, number: int, answer: StoredRoom | NotYet | Unreachable | None, now: Now
    ) -> tuple[list[Skip], list[Effect[Owner]]]:
        load = self._asked.pop(number)
        self._loads.pop(load.room)
        self._free += 1
        skips: list[Skip] = []
        effects: list[Effect[Owner]] = []
        is_current = load.generation == load.room.contents.generation
        if is_current and isinstance(answer, StoredRoom):
            answer = why_unusable(self._hub, load.room, answer) or answer
        if isinstance(answer, NotYet):
            self._is_away = answer.away
            if self._is_away:
                self._unloaded.end_round()
            effects += self._go_on_without(load, now)
        else:
            self._unloaded.go_on(load.room.contents.window, was_away=self._is_away)
            self._is_away = False
            if is_current and isinstance(answer, StoredRoom | None):
                is_current, skips = self._take(load.room, answer, now)
            effects += self._go_on(load, answer, now, is_current=is_current)
        effects += self.start_queued(now)
        effects += self._ask_again()
        return skips, effects

    def _take(self, room: ClientRoom[Owner], answer: StoredRoom | None, now: Now) -> tuple[bool, list[Skip]]:
        """Take in an answer; returns whether that could be done, and the skipped records."""
        contents = room.contents
        home = None if answer is None else home_elsewhere(self._hub, room, answer)
        if home is not None:
            self._hub.rehome(room, home)
            return False, []  # the store is asked again
        was_served = room in self._unloaded
        self._unloaded.discard(room)
        if contents.loaded:
            return True, []
        skips = self._hub.load(room, answer, now.loop_ms)
        if was_served and room.members:
            self._hub.start_over(room)
        return True, skips

    def _go_on(
        self, load: _Load[Owner], answer: StoredRoom | Unreachable | None, now: Now, *, is_current: bool
    ) -> Iterator[Effect[Owner]]:
        """Let the subscriptions go on that waited for a room. Unless ``is_current``, they need it loaded again."""
        for subscription in load.waiting:
            if isinstance(answer, Unreachable) and subscription.phase is Phase.JOINING:
                why = f"the room's older state cannot be read now: {answer.why}"
                subscription.client.refuse(subscription, codes.UNAVAILABLE, why)
                yield from subscription.client.take_effects(now)
                continue
            if not is_current:
                subscription.store_generation = None
            yield from self._catch_up.write_step(subscription, GO_ON, now)

    def _go_on_without(self, load: _Load[Owner], now: Now) -> Iterator[Effect[Owner]]:
        """Serve what the window holds, and ask for the room again later."""
        if load.room.contents.loaded:
            self._unloaded.discard(load.room)
        else:
            self._unloaded.add(load.room, now.loop_ms)
        for subscription in load.waiting:
            yield from self._catch_up.write_step(subscription, GO_ON, now)
