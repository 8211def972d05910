"""What one client saw of one room, in order. Clients write it, and the checker reads it. Pure."""

from collections.abc import Mapping, Set
from typing import NamedTuple, TypeAlias

from touchline_protocol.messages import Deliver


class Joined(NamedTuple):
    """``subscribed``: ``state`` has the number of each key's event.

    ``after`` is the cursor that the client had presented, None for a fresh join and where the client does not show it.
    ``complete``: whether the server claims that the state is complete.
    """

    epoch: str
    head: int
    recovered: bool
    state: Mapping[str, int]
    after: tuple[str, int] | None = None
    complete: bool = True


class Received(NamedTuple):
    """``event``. ``prev`` is None if the server does not know it, or the client does not show it."""

    epoch: str
    offset: int
    prev: int | None
    number: int
    key: str | None
    removal: bool


class Skipped(NamedTuple):
    """``skipped``: events with offsets from ``first`` to ``last`` were left out."""

    first: int
    last: int
    left_out: int


class Gap(NamedTuple):
    """The client found that an event was missing, and reconnected."""

    prev: int | None
    covered: int


class Refused(NamedTuple):
    """The server refused the room, or closed the connection, with a code that calls for giving up."""

    code: str


Item: TypeAlias = Joined | Received | Skipped | Gap | Refused


class Trace:
    """``shows_skips`` is False for a client that does not show which events the server left out.

    ``newest`` has the number of the last event that the client received, or those of the state that it joined with.
    """

    def __init__(self, who: str, room: str, deliver: Deliver = "all", *, shows_skips: bool = True) -> None:
        self.who = who
        self.room = room
        self.deliver = deliver
        self.shows_skips = shows_skips
        self.items: list[Item] = []
        self.newest: Set[int] = frozenset()

    def add(self, item: Item) -> None:
        """The next thing that the client sees."""
        self.items.append(item)
        match item:
            case Received():
                self.newest = {item.number}
            case Joined(recovered=False):
                self.newest = set(item.state.values())
            case _:
                pass
