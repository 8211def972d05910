"""Generated histories of presence on the edges of a fleet: whatever happens, everybody knows what is true in the end.

Clients come, leave, are lost, pause and ask for this and that; exchanges fail before or after they arrive; edges die,
and come back under another name; the log is created again. Each client checks every message as it comes.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.core_edge import CoreClient, record
from support.presence_fleet import FleetEdge, exchange_all, pass_time
from support.thoroughness import examples
from touchline_protocol.messages import (
    Beat,
    Error,
    Event,
    Members,
    MembersChanged,
    Occupancy,
    RoomRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_server.core.presence.board import PresenceLimits
from touchline_server.store.memory.presence import MemoryFleet

ROOMS = ("score:1", "score:2")
PLAYERS = (None, "ann", "bob", "cid", "dan", "eve")
EDGES = 2
LIMITS = PresenceLimits(members_max=3, every_ms=1_000, grace_ms=2_500)
EDGE, CLIENT, ROOM = st.integers(0, EDGES - 1), st.integers(0, 30), st.sampled_from(ROOMS)


class RoomKnown:
    """What a client knows of a room that it is in. ``players`` is None before the first list, and if they are too many.

    ``is_first``: it is live for the first time, or again, and may be told out of turn.
    """

    def __init__(self, request: RoomRequest) -> None:
        self.asks_occupancy = request.occupancy
        self.asks_members = request.members
        self.viewers: tuple[int, bool] | None = None
        self.players: set[str] | None = None
        self.too_many = False
        self.complete = True
        self.is_first = True
        self.told_ms = -(1 << 40)

    def take(self, message: Occupancy | Members | MembersChanged, now_ms: int) -> None:
        if isinstance(message, Occupancy):
            assert self.asks_occupancy
            assert (message.viewers, message.complete) != self.viewers, "nothing has changed"
            assert self.is_first or now_ms - self.told_ms >= LIMITS.every_ms, "too soon"
            self.told_ms = -(1 << 40) if self.is_first else now_ms
            self.viewers = message.viewers, message.complete
            self.is_first = False
            return
        assert self.asks_members
        if isinstance(message, Members):
            assert message.players == sorted(set(message.players))
            assert len(message.players) <= LIMITS.members_max
            assert not (message.too_many and message.players)
            self.players = None if message.too_many else set(message.players)
        else:
            assert self.players is not None, "a change without a list"
            joined, left = set(message.joined), set(message.left)
            assert not joined & self.players
            assert left <= self.players
            assert joined or left or message.complete != self.complete, "nothing has changed"
            self.players = (self.players | joined) - left
        self.too_many = isinstance(message, Members) and message.too_many
        self.complete = message.complete


class Watcher:
    """A client, and what it knows."""

    def __init__(self, edge: FleetEdge, player: str | None, codec: int) -> None:
        self.edge = edge
        self.player = player
        self.connection: CoreClient = edge.client(ALL_CODECS[codec], token=player)
        self.connection.take()
        self.rooms: dict[str, RoomKnown] = {}
        self.is_paused = False

    def subscribe(self, request: RoomRequest) -> None:
        allowed = not request.members or (self.player is not None)
        if request.room in self.rooms or not allowed:
            return
        self.rooms[request.room] = RoomKnown(request)
        self.connection.send(Subscribe(rooms=[request]))

    def unsubscribe(self, room: str) -> None:
        if self.rooms.pop(room, None) is not None:
            self.hear(leaving=room)
            self.connection.send(Unsubscribe(rooms=[room]))
            assert isinstance(self.connection.take()[-1], Unsubscribed)

    def hear(self, leaving: str | None = None) -> None:
        for message in self.connection.take():
            assert not isinstance(message, Error), message
            if isinstance(message, Occupancy | Members | MembersChanged) and message.room != leaving:
                self.rooms[message.room].take(message, self.edge.loop_ms)
            else:
                assert isinstance(message, Beat | Event | Subscribed | Occupancy | Members | MembersChanged), message


class PresenceMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.fleet = MemoryFleet(LIMITS.members_max)
        self.edges = [FleetEdge(f"edge{number}", self.fleet, LIMITS) for number in range(EDGES)]
        self.watchers: list[Watcher] = []
        self.names = EDGES
        self.offset = 0

    def settle(self) -> None:
        for edge in self.edges:
            edge.run()
        for watcher in self.watchers:
            watcher.hear()
        # One that took nothing for a minute was closed.
        self.watchers = [watcher for watcher in self.watchers if watcher.connection.close_code is None]

    @rule(edge=EDGE, player=st.sampled_from(PLAYERS), codec=st.integers(0, len(ALL_CODECS) - 1))
    def come(self, edge: int, player: str | None, codec: int) -> None:
        if len(self.watchers) < 12:
            self.watchers.append(Watcher(self.edges[edge], player, codec))

    @precondition(lambda self: self.watchers)
    @rule(client=CLIENT, room=ROOM, occupancy=st.booleans(), members=st.booleans())
    def subscribe(self, client: int, room: str, occupancy: bool, members: bool) -> None:
        request = RoomRequest(room=room, occupancy=occupancy, members=members)
        self.watchers[client % len(self.watchers)].subscribe(request)
        self.settle()

    @precondition(lambda self: self.watchers)
    @rule(client=CLIENT, room=ROOM)
    def unsubscribe(self, client: int, room: str) -> None:
        self.watchers[client % len(self.watchers)].unsubscribe(room)
        self.settle()

    @precondition(lambda self: self.watchers)
    @rule(client=CLIENT)
    def lose(self, client: int) -> None:
        self.watchers.pop(client % len(self.watchers)).connection.leave()
        self.settle()

    @precondition(lambda self: self.watchers)
    @rule(client=CLIENT)
    def pause(self, client: int) -> None:
        watcher = self.watchers[client % len(self.watchers)]
        watcher.is_paused = True
        watcher.connection.pause()

    @precondition(lambda self: self.watchers)
    @rule(client=CLIENT)
    def resume(self, client: int) -> None:
        self.resume_one(self.watchers[client % len(self.watchers)])

    def resume_one(self, watcher: Watcher) -> None:
        if watcher.is_paused:
            watcher.is_paused = False
            for room in watcher.rooms.values():
                room.is_first = True
            watcher.connection.resume()
            self.settle()

    @rule(time_ms=st.sampled_from([50, 100, 400, 1_000, 3_000]))
    def time_passes(self, time_ms: int) -> None:
        pass_time(self.edges, time_ms)
        self.settle()

    @rule(edge=EDGE, arrives=st.booleans(), answered=st.booleans(), complete=st.booleans())
    def exchange(self, edge: int, arrives: bool, answered: bool, complete: bool) -> None:
        self.edges[edge].exchange(arrives=arrives, answered=answered, complete=complete)
        self.settle()

    @rule(room=ROOM)
    def publish(self, room: str) -> None:
        for edge in self.edges:
            edge.ingest(record(self.offset, room=room.partition(":")[2]))
        self.offset += 1
        self.settle()

    @rule()
    def the_log_is_created_again(self) -> None:
        self.names += 1
        self.offset = 0
        for edge in self.edges:
            edge.open(f"epoch{self.names}")
        self.settle()

    @rule(edge=EDGE, is_noticed=st.booleans())
    def an_edge_dies(self, edge: int, is_noticed: bool) -> None:
        dead = self.edges[edge]
        self.names += 1
        self.edges[edge] = FleetEdge(f"edge{self.names}", self.fleet, LIMITS)
        self.edges[edge].loop_ms = dead.loop_ms
        self.watchers = [watcher for watcher in self.watchers if watcher.edge is not dead]
        self.dead = [*getattr(self, "dead", []), dead.name]
        if is_noticed:
            self.fleet.remove(dead.name)

    def teardown(self) -> None:
        if not hasattr(self, "edges"):
            return
        for name in getattr(self, "dead", []):
            self.fleet.remove(name)
        for watcher in self.watchers:
            self.resume_one(watcher)
        for _ in range(6):  # the grace is over, and all edges have learned of each other's newest reports
            exchange_all(self.edges)
            self.settle()
        for name in ROOMS:
            there = [watcher for watcher in self.watchers if name in watcher.rooms]
            players = {watcher.player for watcher in there} - {None}
            for watcher in there:
                self.knows_the_truth(watcher.rooms[name], len(there), players)

    def knows_the_truth(self, known: RoomKnown, viewers: int, players: set[Any]) -> None:
        if known.asks_occupancy:
            assert known.viewers == (viewers, True)
        if known.asks_members:
            assert known.complete
            assert known.too_many == (len(players) > LIMITS.members_max)
            assert known.too_many or known.players == players


PresenceMachine.TestCase.settings = settings(max_examples=examples(2), stateful_step_count=40)
test_generated_histories = PresenceMachine.TestCase
