"""What an edge knows of its rooms, for the control plane: their state, and how many watch them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from touchline_protocol.errors import LogUnavailable, OperatorError, StoreRefused, StoreUnavailable
from touchline_server.control.backend import RoomState, StateEvent
from touchline_server.core.clients.client import ClientRoom
from touchline_server.core.edge import EdgeCore
from touchline_server.core.presence.port import Totals
from touchline_server.core.replays.stored_answers import home_elsewhere, is_usable, load_room
from touchline_server.core.room_store import NotYet, RoomStore
from touchline_server.core.rooms.old_records import Skip
from touchline_server.edge.driver import Driver, Peer

FleetViewers: TypeAlias = Callable[[str], Awaitable[Totals]]
"""Asks the fleet for the viewers of a room, and raises `StoreUnavailable` or `StoreRefused`."""


class RoomStates:
    """The rooms of one edge.

    ``fleet_viewers`` is None for an edge that shares nothing, and ``is_alone`` if it has no other workers. ``report``
    is given stored records that make no event.
    """

    def __init__(
        self,
        core: EdgeCore[Peer],
        store: RoomStore | None,
        report: Callable[[Sequence[Skip]], None],
        fleet_viewers: FleetViewers | None,
        *,
        is_alone: bool,
    ) -> None:
        self._core = core
        self._store = store
        self._report = report
        self._fleet_viewers = fleet_viewers
        self._is_alone = is_alone

    async def state(self, room: str, driver: Driver | None) -> RoomState | None:
        """What is known of a room; None if it has no events and no viewers. ``driver`` is None before the edge is made.

        Raises:
            OperatorError: its log has not been read yet, or an embedded log does not answer.
        """
        known = self._core.hub.room(room)
        if known is None or driver is None:
            raise OperatorError("the room's log has not been read yet; try again in a moment")
        try:
            _, (viewers, viewers_complete) = await asyncio.gather(self._load(known, driver), self._viewers(room))
            contents = known.contents
            if contents.reading_back:
                raise OperatorError("the room's state is being read from the log; try again in a moment")
            if contents.loaded and contents.head is None and not contents.state and not viewers:
                return None
            state = [
                StateEvent(key, event.offset, event.ts, event.value, event.traceparent)
                for key, event in contents.state.items()
            ]
            return RoomState(
                contents.window.epoch,
                contents.position,
                state,
                viewers,
                state_complete=contents.state_complete,
                viewers_complete=viewers_complete,
            )
        finally:
            self._core.hub.forget_if_unused(known)

    def viewers(self, room: str) -> int:
        """How many clients of this edge are in a room."""
        known = self._core.hub.rooms.get(room)
        return 0 if known is None else known.members

    async def _viewers(self, room: str) -> tuple[int, bool]:
        """How many clients of the fleet are in a room, and whether that is all of it."""
        if self._fleet_viewers is None:
            return self.viewers(room), self._is_alone  # as of now, not of the last report
        try:
            totals = await self._fleet_viewers(room)
        except (StoreUnavailable, StoreRefused):
            return self._core.presence.viewers(room), False  # what clients get meanwhile
        # The store may lack clients of this node that came a moment ago, or what somebody has removed there.
        return max(totals.viewers[room], self.viewers(room)), totals.complete

    async def _load(self, room: ClientRoom[Peer], driver: Driver) -> None:
        """Ask the room store for a room that nobody has subscribed to yet."""
        hub, contents = self._core.hub, room.contents
        for _ in range(2):  # the second time in the partition where its records turned out to be
            if contents.loaded or self._store is None:
                return
            request, generation = load_room(hub, room, number=0), contents.generation
            try:
                stored = await self._store.load(request.key, before=request.before)
            except LogUnavailable as error:
                raise OperatorError(f"the room's state cannot be read now: {error}") from error
            if contents.generation != generation:
                continue  # the room has moved or lost records since, and the answer is as of before that
            if isinstance(stored, NotYet) or (stored is not None and not is_usable(hub, room, stored)):
                return  # what the window holds, marked as incomplete
            home = None if stored is None else home_elsewhere(hub, room, stored)
            if home is not None:
                hub.rehome(room, home)
                continue
            if not contents.loaded:
                self._report(hub.load(room, stored, driver.now().loop_ms))
            return
