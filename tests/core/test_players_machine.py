"""Players over three edges with one player store, in histories in which anything fails.

Devices keep an action session: they lose connections without a close, come back to any edge, and send again what was
not answered. Whatever happened before, once the store answers, each session has exactly one owner, the store counts
what is there, and the log has each action of a device once, in order, whichever edge it came over.
"""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.access import make_access
from support.core_edge import CoreClient, CoreEdge
from support.thoroughness import examples
from touchline_protocol.errors import StoreUnavailable
from touchline_protocol.messages import Ack, Action, Nack, Welcome
from touchline_server.core.clients.client import ClientState
from touchline_server.core.effects import Unreachable
from touchline_server.core.players.grants import Grant, Patterns
from touchline_server.core.players.shared_players import SYNC_MS, SharedPlayers
from touchline_server.store.memory.players import ALIVE_MS, MemoryPlayerFleet

EDGES = 3
CONNECTIONS_MAX = 2
NEVER_MS = 1 << 60
EVERYWHERE = Patterns(["*"])
WAITS_MAX = 8


def verify(player: str, _unix_ms: int) -> Grant:
    return Grant(player, EVERYWHERE, EVERYWHERE, NEVER_MS)


class Device:
    """A player's device: it acts in one session, over its newest connection."""

    def __init__(self, player: str, session: str) -> None:
        self.player = player
        self.session = session
        self.client: CoreClient | None = None
        self.greeted = False
        self.next_id = 1
        self.unanswered: list[int] = []
        self.acked: set[int] = set()
        self.last_action = 0

    def connect(self, edge: CoreEdge) -> CoreClient:
        self.client, self.greeted = CoreClient(edge), False
        self.client.greet(token=self.player, session=self.session)
        return self.client

    def act(self) -> None:
        if len(self.unanswered) < WAITS_MAX - 1:
            self.unanswered.append(self.next_id)
            self.next_id += 1
            if self.client is not None and self.greeted:
                self._send(self.unanswered[-1:])

    def read(self) -> None:
        """Take in what has arrived."""
        client = self.client
        if client is None:
            return
        for message in client.take():
            match message:
                case Welcome():
                    assert message.last_action < self.next_id
                    self.greeted = True
                    self._send(self.unanswered)
                case Ack() | Nack(code="duplicate_id"):
                    self.acked.add(message.id)
                    self.unanswered = [each for each in self.unanswered if each != message.id]
        if client.close_code is not None:
            self.client = None

    def send_again(self) -> None:
        if self.client is not None and self.greeted:
            self._send(self.unanswered)

    def _send(self, ids: list[int]) -> None:
        assert self.client is not None
        for number in list(ids):
            if self.client.close_code is None:
                self.client.send(Action(id=number, room="score:1", kind="tap", prev=number - 1))


class PlayersOverEdges(RuleBasedStateMachine):
    """Devices, edges, and what can go wrong between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000
        self.fleet = MemoryPlayerFleet(lambda: self.now_ms)
        self.edges: list[CoreEdge] = []
        self.names: list[str] = []
        self.started = 0
        self.connections: list[tuple[CoreEdge, CoreClient]] = []
        self.devices = [Device(player, session) for player in ("ann", "bob") for session in ("s", "t")]
        self.log: list[tuple[str, str, int]] = []
        self.was_disturbed = False

    @initialize()
    def start(self) -> None:
        for place in range(EDGES):
            self._start(place)
        for place in range(EDGES):
            self._sync(place)

    @rule(device=st.integers(0, 3), place=st.integers(0, EDGES - 1))
    def connects(self, device: int, place: int) -> None:
        """A device comes, perhaps without having closed its connection before."""
        client = self.devices[device].connect(self.edges[place])
        self.connections.append((self.edges[place], client))

    @rule(device=st.integers(0, 3))
    def closes(self, device: int) -> None:
        client = self.devices[device].client
        if client is not None:
            self._end(client)
            self.devices[device].client = None

    @rule(device=st.integers(0, 3))
    def acts(self, device: int) -> None:
        self.devices[device].act()

    @rule(device=st.integers(0, 3))
    def reads(self, device: int) -> None:
        self.devices[device].read()

    @rule(place=st.integers(0, EDGES - 1), written=st.sampled_from([None, None, 0, 1]))
    def appends(self, place: int, written: int | None) -> None:
        self._append(place, written)

    @rule(place=st.integers(0, EDGES - 1))
    def syncs(self, place: int) -> None:
        self._sync(place)

    @rule(place=st.integers(0, EDGES - 1))
    def answer_is_lost(self, place: int) -> None:
        self.was_disturbed = True
        self._sync(place, lost=True)

    @rule(ms=st.sampled_from([1, SYNC_MS, 3_000]))
    def time_passes(self, ms: int) -> None:
        self._pass_time(ms)

    @rule()
    def store_goes_or_comes(self) -> None:
        self.was_disturbed = True
        self.fleet.is_away = not self.fleet.is_away

    @rule()
    def store_is_emptied(self) -> None:
        self.was_disturbed = True
        self.fleet.clear()

    @rule(place=st.integers(0, EDGES - 1))
    def edge_dies(self, place: int) -> None:
        for edge, client in list(self.connections):
            if edge is self.edges[place]:
                self.connections.remove((edge, client))
                for device in self.devices:
                    if device.client is client:
                        device.client = None
        self._start(place)
        self._sync(place)

    @invariant()
    def no_more_connections_than_may(self) -> None:
        if not self.was_disturbed:
            held = Counter(
                client.client.grant.player
                for _, client in self.connections
                if client.client.state is ClientState.OPEN and client.client.grant is not None
            )
            assert all(count <= CONNECTIONS_MAX for count in held.values()), held

    def teardown(self) -> None:
        if not self.edges:
            return
        self.fleet.is_away = False
        for _ in range(4):  # dead edges are forgotten, everything is presented again, and losses are read
            self._pass_time(ALIVE_MS // 2)
            for place in range(EDGES):
                self._sync(place)
        for _ in range(2):
            self._pass_time(SYNC_MS)
            for place in range(EDGES):
                self._sync(place)
        self._check_sessions()
        self._check_counts()
        self._bring_everything_to_the_log()
        self._check_log()

    def _check_sessions(self) -> None:
        owners: Counter[tuple[str, str]] = Counter()
        for edge, client in self.connections:
            if client.close_code is not None:
                continue
            assert client.client.state is ClientState.OPEN
            session = client.client.action_session
            assert session is not None
            owners[session.player, session.name] += 1
            kept = self.fleet.sessions[session.player, session.name]
            assert (kept.number, kept.worker) == (session.number, self.names[self.edges.index(edge)])
        assert all(count == 1 for count in owners.values()), owners

    def _check_counts(self) -> None:
        for name, edge in zip(self.names, self.edges, strict=True):
            held: Counter[str] = Counter()
            for at, client in self.connections:
                if at is edge and client.close_code is None and client.client.grant is not None:
                    held[client.client.grant.player] += 1
            kept = {player: count for player, count in self.fleet.workers[name].connections.items() if count}
            assert kept == dict(held)

    def _bring_everything_to_the_log(self) -> None:
        """Every device comes back, alone, and goes on until all of its actions were answered."""
        for _, client in list(self.connections):
            if client.close_code is None:
                self._end(client)
        for place in range(EDGES):
            self._sync(place)
        for device in self.devices:
            client = device.connect(self.edges[0])
            self.connections.append((self.edges[0], client))
            for _ in range(4):
                self._pass_time(SYNC_MS)
                self._sync(0)
                device.read()
                for place in range(EDGES):
                    self._append(place, None)
                device.read()
                device.send_again()
            device.read()
            assert device.unanswered == []
            self._end(client)

    def _check_log(self) -> None:
        for device in self.devices:
            ids = [number for *session, number in self.log if session == [device.player, device.session]]
            first = list(dict.fromkeys(ids))
            assert first == sorted(first), ids
            assert device.acked == set(first) == set(range(1, device.next_id))

    def _start(self, place: int) -> None:
        self.started += 1
        name = f"edge-{self.started}"
        access = make_access(
            verify=verify, is_shared=True, connections_max=CONNECTIONS_MAX, per_second_max=1e6, burst=10_000
        )
        edge = CoreEdge(access=access)
        edge.loop_ms = edge.unix_ms = self.now_ms
        if place < len(self.edges):
            self.edges[place], self.names[place] = edge, name
        else:
            self.edges.append(edge)
            self.names.append(name)

    def _sync(self, place: int, *, lost: bool = False) -> None:
        edge = self.edges[place]
        arrivals = edge.core.arrivals
        assert arrivals is not None
        answer: Any
        try:
            answer = self.fleet.worker(self.names[place]).exchange_now(arrivals.next_exchange(edge.now))
        except StoreUnavailable as error:
            answer = Unreachable(str(error))
        edge.perform(arrivals.answered(Unreachable("lost") if lost else answer, edge.now))
        edge.run()

    def _append(self, place: int, written: int | None) -> None:
        edge = self.edges[place]
        before = len(edge.log)
        batch_written = written
        while batch := edge.core.actions.next_batch():
            count = len(batch) if batch_written is None else min(batch_written, len(batch))
            edge.log += batch[:count]
            edge.perform(edge.core.appended(batch, count, edge.now))
        self.log += [(each.session.player, each.session.name, each.id) for each in edge.log[before:]]

    def _pass_time(self, ms: int) -> None:
        self.now_ms += ms
        for edge in self.edges:
            edge.loop_ms = edge.unix_ms = self.now_ms
            edge.tick()

    def _end(self, client: CoreClient) -> None:
        """A connection ends."""
        edge = next(edge for edge, each in self.connections if each is client)
        self.connections.remove((edge, client))
        edge.core.left(client.client, edge.now)
        edge.core.lost(client, edge.now)


TestPlayersOverEdges = PlayersOverEdges.TestCase
TestPlayersOverEdges.settings = settings(stateful_step_count=30, max_examples=examples(0.5))


def test_what_is_taken_elsewhere_is_owed_here_and_no_more() -> None:
    access = make_access(is_shared=True, per_second_max=1.0, burst=10)
    fleet: SharedPlayers[Any] | None = access.fleet
    assert fleet is not None
    limiter = access.actions.limiter
    now: Any = 1_000
    assert [limiter.take("ann", now) for _ in range(4)] == [0] * 4
    limiter.owe("ann", 8_000, now)
    assert [bool(limiter.take("ann", now)) for _ in range(3)] == [True] * 3, "four here come on top of eight elsewhere"
    assert limiter.take_spent() == {"ann": 4}
    limiter.owe("ann", 2_000, now)
    assert limiter.take("ann", now) > 0, "an older answer does not give anything back"
    assert limiter.take("ann", now + 3_000) == 0
