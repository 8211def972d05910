"""What a connection needs of its edge: the core, the entrance, and a few callbacks."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from touchline_server.core.clocks import Now
from touchline_server.core.edge import EdgeCore
from touchline_server.core.effects import Effect

from .driver import Peer
from .entrance import Entrance


class RecentEnd(NamedTuple):
    """An end of a connection that was open: when (Unix milliseconds), by whom, and the code's name."""

    at_ms: int
    connection: int
    by: str
    code: str
    player: str | None
    address: str | None


class Context(NamedTuple):
    """The edge, as its connections see it. ``lost`` is told of connections that are gone. ``next_number`` numbers the
    connections in the log. ``ended`` is called with each `RecentEnd`."""

    core: EdgeCore[Peer]
    entrance: Entrance
    now: Callable[[], Now]
    perform: Callable[[Iterable[Effect[Peer]]], None]
    wake: Callable[[], None]
    lost: Callable[[Peer], None]
    next_number: Callable[[], int]
    ended: Callable[[RecentEnd], None]
