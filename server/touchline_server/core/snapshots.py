"""What is made once for all who ask for it between two flushes of a room: its state, and catch-ups from one cursor.

When an edge was restarted, its clients come back together: with the same few cursors, or with none, and mostly with the
same request id. So the bytes for one of them are the bytes for thousands.

Rules:

1. What is kept is forgotten when the room moves on, and in a quiet room every few seconds (`Hub.tidy`). A place that
   moves without an event of the room is in the key.
2. What is kept is bounded in number; the largest snapshot is bounded by the room's state.
"""

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.frames import payload_of
from touchline_protocol.limits import RECENT_BYTES_MAX
from touchline_protocol.messages import Event, Skipped, Subscribed

from .partition_window import RoomEvent

if TYPE_CHECKING:
    from .room import Room

STEP_BYTES = 32 * 1024
"""What one step of a catch-up writes, give or take its last event: flow control has a say after each, so it is what
waits in this process for a client that takes no more."""

SNAPSHOTS_MAX = 8
"""Kept per room. Clients of one application ask with one or two values of ``last``."""

CAUGHT_UP_MAX = 16
"""Catch-ups kept per room, of `STEP_BYTES` at most: those who lost their edge together have the same few cursors."""


class CaughtUp(NamedTuple):
    """Frames joined, how far they bring a client, and whether that was all there is."""

    data: bytes
    cursor: int
    whole: bool


class Shared:
    """What a room shares. It is given the room each time: held, the two would be a cycle."""

    __slots__ = ("_caught_up", "_frames", "_snapshots")

    def __init__(self) -> None:
        self._snapshots: dict[tuple[int, int], Subscribed] = {}
        self._frames: dict[tuple[int, int, int | None, int], bytes] = {}
        self._caught_up: dict[tuple[int, int, bool], CaughtUp] = {}

    def forget(self) -> None:
        """The room has moved on."""
        if self._snapshots:
            self._snapshots.clear()
            self._frames.clear()
        if self._caught_up:
            self._caught_up.clear()

    def caught_up(self, room: "Room", codec: Codec, cursor: int, *, latest: bool) -> CaughtUp:
        """The next step of a client at ``cursor``, which the window holds."""
        key = (codec.index, cursor, latest)
        made = self._caught_up.get(key)
        if made is None:
            _make_place(self._caught_up, CAUGHT_UP_MAX)
            made = self._caught_up[key] = encode(room, codec, room.after(cursor), cursor=cursor, latest=latest)
        return made

    def snapshot_frame(self, room: "Room", codec: Codec, *, last: int = 0, request_id: int | None = None) -> bytes:
        """A `Subscribed` that starts a client from the state, as a frame."""
        place = room.place
        key = (codec.index, last, request_id, place)
        made = self._frames.get(key)
        if made is None:
            _make_place(self._frames, SNAPSHOTS_MAX)
            message = msgspec.structs.replace(self._snapshot(room, codec.plain, last), head=place, id=request_id)
            made = self._frames[key] = codec.frame(message)
        return made

    def _snapshot(self, room: "Room", codec: Codec, last: int) -> Subscribed:
        message = self._snapshots.get((codec.index, last))
        if message is None:
            _make_place(self._snapshots, SNAPSHOTS_MAX)
            message = self._snapshots[codec.index, last] = Subscribed(
                room=room.name,
                epoch=room.stream.epoch,
                head=room.place,
                recovered=False,
                state=_encoded(room.state.values(), codec),
                recent=_encoded(_newest(room, last, codec), codec),
            )
        return message


def encode(
    room: "Room",
    codec: Codec,
    events: Iterable[RoomEvent],
    *,
    cursor: int,
    latest: bool,
    bytes_max: int | None = STEP_BYTES,
) -> CaughtUp:
    """What brings a client over ``events``, up to ``bytes_max``. ``latest`` leaves out what newer events obsolete."""
    frames: list[bytes] = []
    skipped: list[int] = []
    size = 0
    whole = True
    for event in events:
        if bytes_max is not None and size >= bytes_max:
            whole = False
            break
        cursor = event.offset
        if latest and room.is_obsolete(event):
            skipped.append(event.offset)
        else:
            frames.append(event.frame(codec))
            size += len(frames[-1])
    if skipped:
        # Said before the events, so that what is left out between two of them is no gap to the client.
        said = Skipped(room=room.name, from_=skipped[0], to=skipped[-1], count=len(skipped))
        frames.insert(0, codec.frame(said))
    return CaughtUp(b"".join(frames), cursor, whole)


def _newest(room: "Room", count: int, codec: Codec) -> list[RoomEvent]:
    newest: list[RoomEvent] = []
    size = 0
    for event in islice(reversed(room.events), count):
        size += len(event.frame(codec))
        if size > RECENT_BYTES_MAX:
            break
        newest.append(event)
    return newest[::-1]


def _make_place(made: dict[Any, Any], most: int) -> None:
    if len(made) >= most:
        made.clear()


def _encoded(events: Iterable[RoomEvent], codec: Codec) -> list[Event]:
    # msgspec writes a Raw as it stands, whatever type the field has: so nothing is encoded twice.
    return cast(list[Event], [msgspec.Raw(payload_of(event.frame(codec))) for event in events])
