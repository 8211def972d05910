"""Rooms whose state from before the window is not known yet, and the clients that wait for it.

It is loaded from the room store, or the log is being read back for all rooms: then clients wait until that has ended. A
room is asked for when somebody first subscribes to it, once for all who do. Records go on being read meanwhile. If
the store does not answer, clients that join are refused for now: a state without its older half would look complete. A
client that was in the room before goes on with what the window holds.
"""

from collections.abc import Iterator
from typing import Generic

from touchline_protocol import codes
from touchline_protocol.rooms import split_room

from .catch_up import CatchUpQueue
from .client import ClientHub, ClientRoom, ClientSubscription
from .clocks import Now
from .effects import Effect, LoadRoom, Owner, Unreachable
from .room_store import RoomKey, StoredRoom
from .rooms.old_records import Skip
from .subscription import NextStep, Phase, Step

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
        self._loads: dict[int, _Load[Owner]] = {}
        # By the room itself, not by its name: a room that is forgotten meanwhile is another one when it is made again.
        self._numbers: dict[ClientRoom[Owner], int] = {}
        self._last_number = 0
        self._waiting_for_log: list[ClientSubscription[Owner]] = []

    def add(self, subscription: ClientSubscription[Owner]) -> Iterator[Effect[Owner]]:
        """A subscription needs its room loaded."""
        room = subscription.room
        if room.contents.reading_back:
            self._waiting_for_log.append(subscription)
            return
        number = self._numbers.get(room)
        if number is None:
            number = self._last_number = self._numbers[room] = self._last_number + 1
            self._loads[number] = _Load(room)
            yield load_room(room, number)
        self._loads[number].waiting.append(subscription)

    def read_back(self, now: Now) -> list[Effect[Owner]]:
        """The log may have been read back: let the subscriptions go on whose rooms are known now."""
        waiting, self._waiting_for_log = self._waiting_for_log, []
        effects: list[Effect[Owner]] = []
        for subscription in waiting:
            if subscription.room.contents.reading_back:
                self._waiting_for_log.append(subscription)
            else:
                effects += self._catch_up.write_step(subscription, _GO_ON, now)
        return effects

    def loaded(
        self, number: int, answer: StoredRoom | Unreachable | None, now: Now
    ) -> tuple[list[Skip], list[Effect[Owner]]]:
        """The answer to a `LoadRoom`; None if the store does not know the room. Returns skipped records."""
        load = self._loads.pop(number)
        del self._numbers[load.room]
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
            effects += self._catch_up.write_step(subscription, _GO_ON, now)
        return skips, effects


def load_room(room: ClientRoom[Owner], number: int) -> LoadRoom:
    """The request to the store for a room."""
    contents = room.contents
    window = contents.window
    _, room_id = split_room(room.name)
    key = RoomKey(window.topic, window.topic_epoch, window.partition, room_id)
    return LoadRoom(number, key, contents.stored_before)
