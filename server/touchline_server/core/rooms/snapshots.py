"""What is made once for all who ask for it between two flushes of a room: its state, and catch-ups from one cursor.

When an edge was restarted, its clients come back together: with the same few cursors, or with none, and mostly with the
same request id. So the bytes for one of them are the bytes for thousands.

Rules:

1. The cache is cleared when the room moves on, and in a quiet room every few seconds (`Hub.evict_idle`). The room's
   position, which can move without an event of the room, is part of the key.
2. The number of cached entries is bounded; the largest snapshot is bounded by the room's state.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple, cast

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.frames import payload_of
from touchline_protocol.limits import RECENT_BYTES_MAX, TIMESTAMP_MAX
from touchline_protocol.messages import Event, Subscribed

from .contents import Contents
from .encoding import CatchUpBytes, encode_catch_up
from .partition_window import RoomEvent

SNAPSHOTS_MAX = 8
"""Snapshots cached per room. Clients of one application ask with one or two values of ``last``."""

CATCH_UPS_MAX = 16
"""Catch-ups cached per room, each of `STEP_BYTES` at most: clients that lost their edge together have few cursors."""


class Found(NamedTuple):
    """The place of a cursor of another log: the client receives the events behind it, besides the state."""

    after: int
    by_time: bool


class SnapshotCache:
    """The cache of one room. It is given the room's contents with each call: holding them would be a cycle."""

    __slots__ = ("_catch_ups", "_frames", "_snapshots")

    def __init__(self) -> None:
        self._snapshots: dict[tuple[int, int], Subscribed] = {}
        self._frames: dict[tuple[int, int, int | None, int, Found | None], bytes] = {}
        self._catch_ups: dict[tuple[int, int, bool, bool], CatchUpBytes] = {}

    def forget(self) -> None:
        """Forget everything: the room has moved on."""
        if self._snapshots:
            self._snapshots.clear()
            self._frames.clear()
        if self._catch_ups:
            self._catch_ups.clear()

    def catch_up(self, contents: Contents, codec: Codec, cursor: int, *, latest: bool, searching: bool) -> CatchUpBytes:
        """The next step of a client at ``cursor``, which the window holds."""
        key = (codec.index, cursor, latest, searching)
        made = self._catch_ups.get(key)
        if made is None:
            _make_space(self._catch_ups, CATCH_UPS_MAX)
            missing = contents.after(cursor)
            made = self._catch_ups[key] = encode_catch_up(
                contents, codec, missing, cursor=cursor, latest=latest, searching=searching
            )
        return made

    def frame(
        self,
        contents: Contents,
        codec: Codec,
        *,
        last: int = 0,
        request_id: int | None = None,
        found: Found | None = None,
    ) -> bytes:
        """A `Subscribed` that starts a client from the state, as a frame."""
        position = contents.position
        key = (codec.index, last, request_id, position, found)
        made = self._frames.get(key)
        if made is None:
            _make_space(self._frames, SNAPSHOTS_MAX)
            snapshot = self._snapshot(contents, codec.plain, last)
            after, by_time = found or (None, False)
            message = msgspec.structs.replace(
                snapshot, epoch=contents.window.epoch, head=position, id=request_id, after=after, by_time=by_time
            )
            made = self._frames[key] = codec.frame(message)
        return made

    def _snapshot(self, contents: Contents, codec: Codec, last: int) -> Subscribed:
        message = self._snapshots.get((codec.index, last))
        if message is None:
            _make_space(self._snapshots, SNAPSHOTS_MAX)
            recent = _newest(contents, last, codec)
            message = self._snapshots[codec.index, last] = Subscribed(
                room=contents.name,
                epoch=contents.window.epoch,
                head=contents.position,
                recovered=False,
                ts=_time(contents, recent),
                state=_encoded(contents.state.values(), codec),
                recent=_encoded(recent, codec),
                state_complete=contents.state_complete,
            )
        return message


def _time(contents: Contents, recent: Iterable[RoomEvent]) -> int | None:
    """The time of the newest event that the client receives: it recognises that one in another log.

    Not that of an event which it does not receive: it could only be recognised by its time, as another one could.
    """
    newest = max((*contents.state.values(), *recent), key=lambda event: (event.offset, event.ts), default=None)
    return newest.ts if newest is not None and 0 <= newest.ts <= TIMESTAMP_MAX else None


def _newest(contents: Contents, count: int, codec: Codec) -> list[RoomEvent]:
    newest: list[RoomEvent] = []
    size = 0
    for event in islice(reversed(contents.events), count):
        size += len(event.frame(codec))
        if size > RECENT_BYTES_MAX:
            break
        newest.append(event)
    return newest[::-1]


def _make_space(cache: dict[Any, Any], entries_max: int) -> None:
    if len(cache) >= entries_max:
        cache.clear()


def _encoded(events: Iterable[RoomEvent], codec: Codec) -> list[Event]:
    # msgspec writes a Raw as it stands, whatever type the field has: so nothing is encoded twice.
    return cast(list[Event], [msgspec.Raw(payload_of(event.frame(codec))) for event in events])
