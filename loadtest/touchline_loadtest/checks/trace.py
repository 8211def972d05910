"""What one client saw of one room, in order. Clients write it, and the checker reads it. Pure.

An event is known by its ``value``, a number: that of `values.value_of`, or one that the run itself has given it.
"""

from collections.abc import Mapping, Set
from typing import Protocol, TypeAlias

import msgspec

from touchline_protocol.messages import Deliver


class Joined(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """``subscribed``. ``state`` has the value of each key, and ``recent`` the offsets and values of those events.

    ``after`` is the cursor that the client had presented, None for a fresh join. ``live``: it came without a
    ``subscribe``, so its cursor was that of its last event; an SDK that resumes by itself notes its joins this way too.
    ``complete``: whether the server claims that the state is complete.

    ``place``: the server found the cursor's place in another log, and sends the events behind this offset too. A client
    that removes what it has of them shows ``moved`` instead: it goes on in another log, from ``after`` there, without
    starting over. ``replaces``: it takes the ``state`` all the same, since the log lacks events that the client has.
    """

    epoch: str
    head: int
    recovered: bool
    state: Mapping[str, int] = {}
    after: tuple[str, int] | None = None
    complete: bool = True
    live: bool = False
    recent: tuple[tuple[int, int], ...] = ()
    at_ms: float = 0.0
    place: int | None = None
    moved: bool = False
    replaces: bool = False


class Received(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """``event``. ``prev`` is None if the server does not know it, or the client does not show it.

    ``epoch`` is the one in force, also where the event itself does not carry it.
    """

    epoch: str
    offset: int
    prev: int | None
    value: int
    key: str | None = None
    removal: bool = False


class Skipped(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """``skipped``: ``left_out`` events with offsets from ``first`` to ``last``; 0 if nobody knows how many.

    ``at_ms`` is when it arrived, in Unix milliseconds; 0 if the client does not show that.
    """

    first: int
    last: int
    left_out: int
    at_ms: float = 0.0


class Gap(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The client found that an event was missing, and reconnected."""

    prev: int | None
    covered: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """The server answered the room with an ``error``, or refused it in another way that calls for giving up."""

    code: str
    at_ms: float = 0.0


class Shown(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The state that the client shows to its user, as of its cursor: whatever it keeps, compared as it is."""

    epoch: str
    offset: int
    state: Mapping[str, int]


class Left(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """The client left the room by its own will, so what comes after this is not missing. It may come back later.

    ``at_ms`` is when, in Unix milliseconds: then the client claims that it was connected and had read all that had
    arrived, so an answer, and events that were in the log long before, are missing. 0 if it makes no such claim, such
    as a client that reads slowly or has no connection. The log's `Entry.order` has to be in Unix milliseconds too.
    """

    at_ms: float = 0.0


class Settled(msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False):
    """The client waited in the room until everything should have arrived: it claims to have all of the log."""


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False):
    """The client asked to join the room, on a new connection or again. Until the answer, nothing of the room may come.

    ``at_ms`` is when, in Unix milliseconds; 0 if the client does not show that. ``prompt``: it reads what arrives at
    once, so it has to be told of everything that the log had long before its connection ended.
    """

    at_ms: float = 0.0
    prompt: bool = True


Item: TypeAlias = Joined | Received | Skipped | Gap | Refused | Shown | Left | Settled | Asked


class TraceSink(Protocol):
    """Where a client puts what it sees of a room. ``deliver`` is what it asks for."""

    client: str
    room: str
    deliver: Deliver

    def add(self, item: Item) -> None:
        """The next thing that the client sees."""


class Trace:
    """One client in one room. ``shows_skips`` is False for a client that does not show which events were left out.

    ``newest`` has the value of the last event that the client received, or those of the state that it joined with.
    """

    def __init__(self, client: str, room: str, deliver: Deliver = "all", *, shows_skips: bool = True) -> None:
        self.client = client
        self.room = room
        self.deliver: Deliver = deliver
        self.shows_skips = shows_skips
        self.items: list[Item] = []
        self.newest: Set[int] = frozenset()

    def add(self, item: Item) -> None:
        """The next thing that the client sees."""
        self.items.append(item)
        match item:
            case Received():
                self.newest = {item.value}
            case Joined(recovered=False):
                self.newest = set(item.state.values())
            case _:
                pass
