"""Rooms whose state from before the window is being loaded from the room store, and who waits for it.

A room is asked for when somebody first subscribes to it, once for all who do. Records go on being read meanwhile. If
the store does not answer, clients go on with what the window holds, and the next one to subscribe makes the edge ask
again.
"""

from collections.abc import Iterator
from typing import Generic

from touchline_protocol.rooms import split_room

from .catch_up import CatchUpQueue
from .client import ClientHub, ClientRoom, ClientSubscription
from .clocks import Now
from .effects import Effect, LoadRoom, Owner, Unreachable
from .room_store import RoomKey, StoredRoom
from .rooms.hub import Skip
from .subscription import NextStep, Step

_GO_ON = Step(b"", NextStep.STEP)


class _Load(Generic[Owner]):
    """A load under way: ``generation`` is the room's when it was asked for."""

    __slots__ = ("generation", "room", "waiting")

    def __init__(self, room: ClientRoom[Owner]) -> None:
        self.room = room
        self.generation = room.contents.generation
        self.waiting: list[ClientSubscription[Owner]] = []


class RoomLoads(Generic[Owner]):
    """The loads under way. Subscriptions go back to ``catch_up`` when theirs has ended."""

    def __init__(self, hub: ClientHub[Owner], catch_up: CatchUpQueue[Owner]) -> None:
        self._hub = hub
        self._catch_up = catch_up
        self._loads: dict[str, _Load[Owner]] = {}

    def add(self, subscription: ClientSubscription[Owner]) -> Iterator[Effect[Owner]]:
        """A subscription needs its room loaded."""
        room = subscription.room
        load = self._loads.get(room.name)
        if load is None:
            load = self._loads[room.name] = _Load(room)
            yield load_room(room)
        load.waiting.append(subscription)

    def loaded(
        self, name: str, answer: StoredRoom | Unreachable | None, now: Now
    ) -> tuple[list[Skip], list[Effect[Owner]]]:
        """The answer to a `LoadRoom`; None if the store does not know the room. Returns skipped records."""
        load = self._loads.pop(name)
        contents = load.room.contents
        is_current = load.generation == contents.generation
        skips: list[Skip] = []
        if is_current and not contents.loaded and not isinstance(answer, Unreachable):
            skips = self._hub.load(load.room, answer, now.loop_ms)
        effects: list[Effect[Owner]] = []
        for subscription in load.waiting:
            if not is_current:
                subscription.store_generation = None  # what was loaded for another generation is of no use
            effects += self._catch_up.write_step(subscription, _GO_ON, now)
        return skips, effects


def load_room(room: ClientRoom[Owner]) -> LoadRoom:
    """What to ask the store for a room."""
    contents = room.contents
    window = contents.window
    _, room_id = split_room(room.name)
    key = RoomKey(window.topic, window.topic_epoch, window.partition, room_id)
    return LoadRoom(room.name, key, contents.stored_before)
