"""Rooms whose state from before the window is not known yet, and the clients that wait for it.

It is loaded from the room store, or the log is being read back for all rooms: then clients wait until that has ended. A
room is asked for when somebody first subscribes to it, once for all who do; connections take turns, a room each.
Records go on being read meanwhile. If the store does not answer, clients that join are refused for now: a state without
its older half would look complete. A client that was in the room before goes on with what the window holds.
"""

from collections.abc import Iterator
from typing import Generic

from touchline_protocol import codes
from touchline_protocol.rooms import split_room
from touchline_server.core.catch_up import CatchUpQueue
from touchline_server.core.clients.client import Client, ClientHub, ClientRoom, ClientSubscription
from touchline_server.core.clocks import Now
from touchline_server.core.effects import Effect, LoadRoom, Owner, Unreachable
from touchline_server.core.room_store import RoomKey, StoredRoom
from touchline_server.core.rooms.old_records import Skip
from touchline_server.core.subscription import GO_ON, Phase

from .turns import Turns

LOADS_MAX = 4
"""Rooms asked for at the same time. The store answers one at a time, and the next ones are chosen as late as can be."""


class _Load(Generic[Owner]):
    """A room that clients wait for. ``generation`` is the room's when it was asked for, None before that."""

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

    def start_queued(self) -> Iterator[LoadRoom]:
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
                continue
            self._free -= 1
            self._last_number += 1
            self._asked[self._last_number] = load
            load.generation = room.contents.generation
            yield load_room(room, self._last_number)

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
        self, number: int, answer: StoredRoom | Unreachable | None, now: Now
    ) -> tuple[list[Skip], list[Effect[Owner]]]:
        """The answer to a `LoadRoom`; None if the store does not know the room. Returns skipped records."""
        load = self._asked.pop(number)
        del self._loads[load.room]
        self._free += 1
        contents = load.room.contents
        is_current = load.generation == contents.generation
        skips: list[Skip] = []
        if is_current and not contents.loaded and not isinstance(answer, Unreachable):
            skips = self._hub.load(load.room, answer, now.loop_ms)
        effects: list[Effect[Owner]] = []
        for subscription in load.waiting:
            if isinstance(answer, Unreachable) and subscription.phase is Phase.JOINING:
                why = f"the room's older state cannot be read now: {answer.why}"
                subscription.client.refuse(subscription, codes.UNAVAILABLE, why)
                effects += subscription.client.take_effects(now)
                continue
            if not is_current:
                subscription.store_generation = None  # what was loaded for another generation is of no use
            effects += self._catch_up.write_step(subscription, GO_ON, now)
        effects += self.start_queued()
        return skips, effects


def load_room(room: ClientRoom[Owner], number: int) -> LoadRoom:
    """The request to the store for a room."""
    contents = room.contents
    window = contents.window
    _, room_id = split_room(room.name)
    key = RoomKey(window.topic, window.topic_epoch, window.partition, room_id)
    return LoadRoom(number, key, contents.stored_before)
