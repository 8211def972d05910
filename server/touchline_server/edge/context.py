"""What a connection needs of its edge: the core, the settings of the handshake, and a few callbacks."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from touchline_server.config.settings import Settings
from touchline_server.core.clocks import Now
from touchline_server.core.edge import EdgeCore
from touchline_server.core.effects import Effect
from touchline_server.web.policy import WebPolicy

from .driver import Peer


class Context(NamedTuple):
    """The edge, as its connections see it. ``lost`` is told of connections that are gone. ``next_number`` numbers the
    connections in the log."""

    core: EdgeCore[Peer]
    settings: Settings
    policy: WebPolicy
    now: Callable[[], Now]
    random: Callable[[], float]
    perform: Callable[[Iterable[Effect[Peer]]], None]
    wake: Callable[[], None]
    lost: Callable[[Peer], None]
    next_number: Callable[[], int]
