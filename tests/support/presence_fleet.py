"""Edges in one fleet, for tests of presence: each has a core, and all of them share a fleet in memory.

The test decides when an edge makes an exchange, and whether it arrives. Times are by one clock for all.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

from support.access import make_access
from support.core_edge import PRESENCE, CoreClient, CoreEdge
from touchline_protocol.codecs import JSON, Codec
from touchline_protocol.messages import Members, MembersChanged, Occupancy, ServerMessage
from touchline_server.core.players.grants import Grant, Patterns
from touchline_server.core.presence.board import PresenceLimits
from touchline_server.core.presence.port import Answer, PresenceStore
from touchline_server.store.memory.presence import MemoryFleet

EVERYWHERE = Patterns(["*"])
NEVER_MS = 1 << 50
PRESENCE_MESSAGES = (Occupancy, Members, MembersChanged)

Result = TypeVar("Result")


def finished(call: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


def grant_of(token: str, _now_ms: int) -> Grant:
    """A token is its player's name. Those of players whose names begin with ``blind`` do not allow to see members."""
    return Grant(token, EVERYWHERE, EVERYWHERE, NEVER_MS, members=Patterns([] if token.startswith("blind") else ["*"]))


class FleetEdge(CoreEdge):
    """One edge of a fleet."""

    def __init__(self, name: str, fleet: MemoryFleet, limits: PresenceLimits = PRESENCE) -> None:
        super().__init__(access=make_access(verify=grant_of), presence=limits)
        self.name = name
        self.fleet = fleet
        self.store: PresenceStore = fleet.worker(name)

    def exchange(self, *, arrives: bool = True, answered: bool = True, complete: bool = True) -> None:
        """One exchange with the fleet; one that is not answered may have arrived all the same."""
        presence = self.core.presence
        report = presence.take_report(self.now.loop_ms)
        answer: Answer | None = None
        if arrives:
            answer = finished(self.store.exchange(report))
        if answer is not None and answered:
            presence.answered(answer._replace(complete=complete), self.now.loop_ms)
        else:
            presence.failed(self.now.loop_ms)
        self.tick()
        self.run()

    def learn(self) -> None:
        """The same, without writing anything yet."""
        presence = self.core.presence
        presence.answered(finished(self.store.exchange(presence.take_report(self.now.loop_ms))), self.now.loop_ms)
        self.tick()

    def watcher(
        self, player: str | None = None, room: str = "score:1", codec: Codec = JSON, **asks: Any
    ) -> "CoreClient":
        """A client in a room, which asks for what is given as ``occupancy`` and ``members``."""
        client = self.client(codec, token=player)
        client.subscribe(room, **asks)
        self.tick()
        self.run()
        return client


def make_fleet(edges: int = 2, members_max: int = PRESENCE.members_max) -> list[FleetEdge]:
    """Edges that share a fleet."""
    fleet = MemoryFleet(members_max)
    return [FleetEdge(f"edge{number}", fleet) for number in range(edges)]


def pass_time(edges: list[FleetEdge], time_ms: int) -> None:
    """Time passes for all edges, with their ticks."""
    for edge in edges:
        edge.loop_ms += time_ms
        edge.unix_ms += time_ms
        edge.tick()
        edge.run()


def exchange_all(edges: list[FleetEdge], rounds: int = 1) -> None:
    """All edges make exchanges, a second apart, so that each learns of the others' reports."""
    for _ in range(rounds):
        pass_time(edges, 1_000)
        for edge in edges:
            edge.exchange()


def told(client: CoreClient) -> list[ServerMessage]:
    """What a client was told about presence since the last call."""
    return [message for message in client.take() if isinstance(message, PRESENCE_MESSAGES)]
