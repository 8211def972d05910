"""Generated histories of players that act: batches that fail, appends whose answer is lost, edges that are changed.

The machine is the shell of two edges and the log between them. Each client does as the specification asks: it sends in
order, goes back where it is told to, and sends what is unanswered again when it has come back, to whatever edge.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.access import LIMITS, make_access
from support.core_edge import CoreClient, CoreEdge
from support.thoroughness import examples
from touchline_protocol import codes
from touchline_protocol.actions import decode_action
from touchline_protocol.errors import RecordRefusal
from touchline_protocol.messages import Ack, Action, Error, Nack, Verdict, Welcome
from touchline_server.core.players.action_queue import PendingAction
from touchline_server.core.players.grants import Grant, Patterns

PLAYERS = ("ann", "bob")
CARELESS = "bob"
REFUSED_EVERY = 5
"""The log takes no action whose id is a multiple of this, as if it were too large."""
EDGES = 2
EDGE = st.integers(0, EDGES - 1)
PLAYER = st.sampled_from(PLAYERS)


class Logged(NamedTuple):
    """An action as its readers know it."""

    player: str
    session: str
    id: int


class Client:
    """A player's client. ``unanswered`` has its actions by id, each with the size of its data, in order."""

    def __init__(self, player: str) -> None:
        self.player = player
        self.name: str | None = None
        self.connection: CoreClient | None = None
        self.next_id = 1
        self.unanswered: dict[int, int] = {}
        self.refused: set[int] = set()
        self.acknowledged: set[int] = set()
        self.behind = False
        """An action has to be sent again, and all after it."""

    def connect(self, edge: "ModelEdge") -> None:
        self.connection = edge.client(token=self.player, session=self.name)
        self.hear()
        self.resend(edge)

    def act(self, edge: "ModelEdge", size: int) -> None:
        action_id, self.next_id = self.next_id, self.next_id + 1
        self.unanswered[action_id] = size
        if not self.behind:
            self.send(edge, action_id)

    def resend(self, edge: "ModelEdge") -> None:
        self.behind = False
        for action_id in self.unanswered:
            self.send(edge, action_id)

    def send(self, edge: "ModelEdge", action_id: int) -> None:
        if self.connection is None:
            return
        prev = self.before(action_id)
        data = msgspec.Raw(b'"' + b"x" * self.unanswered[action_id] + b'"')
        said = Action(id=action_id, room="score:1", kind="tap", data=data, prev=None if prev == action_id - 1 else prev)
        self.connection.send(said)

    def before(self, action_id: int) -> int:
        """Its ``prev``. A careless client leaves it out unless one was refused, and so names one that was answered."""
        if self.player == CARELESS:
            return max((before for before in range(action_id) if before not in self.refused), default=0)
        return max((before for before in self.unanswered if before < action_id), default=0)

    def hear(self) -> None:
        """Read what the edge has said."""
        if self.connection is None:
            return
        for message in self.connection.take():
            match message:
                case Welcome(session=name):
                    self.name = name
                case Ack(id=action_id):
                    self.done(action_id)
                case Nack(code="duplicate_id"):
                    self.done(message.id)
                case Nack() if codes.NACKS[message.code].recovery is codes.Recovery.GIVE_UP:
                    assert message.code in (codes.ACTION_TOO_LARGE.code, codes.ACTION_REFUSED.code), message
                    self.unanswered.pop(message.id, None)
                    self.refused.add(message.id)
                    assert message.id not in self.acknowledged
                case Nack():
                    assert message.retry_ms
                    self.behind = True
                case Error() | Verdict():
                    raise AssertionError(message)

    def done(self, action_id: int) -> None:
        self.unanswered.pop(action_id, None)
        self.acknowledged.add(action_id)
        assert action_id not in self.refused

    def lose(self) -> None:
        """The connection is gone, with what was not read."""
        if self.connection is not None:
            self.connection.leave()
            self.connection = None


class ModelEdge(CoreEdge):
    """One batch at a time is being appended."""

    def __init__(self, names: "itertools.count[int]") -> None:
        access = make_access(verify=_verify, per_second_max=1e9)
        super().__init__(access=access, make_name=lambda: f"s{next(names)}")
        self.batch: Sequence[PendingAction[Any]] = []


def _verify(token: str, _now_ms: int) -> Grant:
    everything = Patterns(["*"])
    return Grant(token, everything, everything, 1 << 50)


class ActionsMachine(RuleBasedStateMachine):
    """Two edges, one log, one client for each player."""

    @initialize()
    def begin(self) -> None:
        names = itertools.count()
        self.edges = [ModelEdge(names) for _ in range(EDGES)]
        self.clients = {player: Client(player) for player in PLAYERS}
        self.at: dict[str, ModelEdge] = {}
        self.log: list[Logged] = []

    @rule(player=PLAYER, edge=EDGE)
    def come(self, player: str, edge: int) -> None:
        client = self.clients[player]
        client.lose()
        self.at[player] = self.edges[edge]
        client.connect(self.edges[edge])

    @rule(player=PLAYER, edge=EDGE)
    def come_beside_the_lost_connection(self, player: str, edge: int) -> None:
        """The edge does not know yet that the first connection is gone."""
        client = self.clients[player]
        before, client.connection = client.connection, None
        same = before is not None and self.at[player] is self.edges[edge]
        self.at[player] = self.edges[edge]
        client.connect(self.edges[edge])
        if before is not None:
            if same:
                assert before.close_code is codes.SESSION_REPLACED
            before.leave()

    @rule(player=PLAYER)
    def lose(self, player: str) -> None:
        self.clients[player].lose()

    @rule(player=PLAYER, sizes=st.lists(st.sampled_from([1, 1, 1, 200]), min_size=1, max_size=6))
    def act(self, player: str, sizes: list[int]) -> None:
        client = self.clients[player]
        for size in sizes:
            oldest = min(client.unanswered, default=client.next_id)
            if client.next_id - oldest < LIMITS.actions_window and player in self.at:
                client.act(self.at[player], size)

    @rule(player=PLAYER)
    def hear(self, player: str) -> None:
        self.clients[player].hear()

    @rule(player=PLAYER)
    def go_back(self, player: str) -> None:
        client = self.clients[player]
        client.hear()
        if client.behind and client.connection is not None:
            client.resend(self.at[player])

    @rule(edge=EDGE, away=st.booleans())
    def be_away(self, edge: int, away: bool) -> None:
        """The edge knows that the log is away, or back, between any two actions."""
        actions = self.edges[edge].core.actions
        actions.pause("the log is away") if away else actions.resume()

    @rule(edge=EDGE)
    def admit_a_probe(self, edge: int) -> None:
        self.edges[edge].core.actions.admit_probe()

    @rule(player=PLAYER, edge=EDGE)
    def move_when_all_is_well(self, player: str, edge: int) -> None:
        """Act once, at one edge after the other, and hear of it."""
        self.come(player, edge)
        self.clients[player].act(self.edges[edge], 1)
        self.edges[edge].core.actions.resume()
        for _ in range(20):
            self.edges[edge].batch = self.edges[edge].batch or self.edges[edge].core.actions.next_batch()
            self.resolve(self.edges[edge], taken=len(self.edges[edge].batch), written=0)
            self.go_back(player)
        assert not self.clients[player].unanswered

    @rule(edge=EDGE)
    def begin_append(self, edge: int) -> None:
        if not self.edges[edge].batch:
            self.edges[edge].batch = self.edges[edge].core.actions.next_batch()

    @precondition(lambda self: any(edge.batch for edge in self.edges))
    @rule(edge=EDGE)
    def append(self, edge: int) -> None:
        self.resolve(self.edges[edge], taken=len(self.edges[edge].batch), written=0)

    @precondition(lambda self: any(edge.batch for edge in self.edges))
    @rule(edge=EDGE, taken=st.integers(0, 10), written=st.integers(0, 10))
    def append_in_part(self, edge: int, taken: int, written: int) -> None:
        """The log takes some; of the others it wrote some too, which nobody was told."""
        self.resolve(self.edges[edge], taken=min(taken, len(self.edges[edge].batch)), written=written)

    def resolve(self, edge: ModelEdge, *, taken: int, written: int) -> None:
        batch, edge.batch = edge.batch, []
        refused: dict[int, RecordRefusal] = {}
        for index, action in enumerate(batch[: taken + written]):
            record = decode_action(action.value)
            assert record.player.encode() == action.key
            if record.id % REFUSED_EVERY:
                self.log.append(Logged(record.player, record.session, record.id))
            else:
                refused[index] = RecordRefusal(is_too_large=True, why="larger than the log allows")
        edge.perform(edge.core.appended(batch, taken, edge.now, refused))

    @invariant()
    def the_log_has_what_was_acknowledged(self) -> None:
        if not hasattr(self, "log"):
            return
        logged = set(self.log)
        for client in self.clients.values():
            if client.name is None:
                continue
            assert {Logged(client.player, client.name, number) for number in client.acknowledged} <= logged

    @invariant()
    def first_copies_are_in_order(self) -> None:
        for player in PLAYERS if hasattr(self, "log") else ():
            first = list(dict.fromkeys(logged.id for logged in self.log if logged.player == player))
            assert first == sorted(first)

    @invariant()
    def what_waits_is_bounded(self) -> None:
        for edge in getattr(self, "edges", ()):
            actions = edge.core.actions
            assert 0 <= actions.waiting <= actions.limits.waiting_max
            for session in actions._sessions.values():
                assert len(session.waiting) <= actions.limits.actions_window

    def teardown(self) -> None:
        """All is well again: everything is taken in the end, once."""
        if not hasattr(self, "log"):
            return
        for edge in self.edges:
            edge.core.actions.resume()
        for player, client in self.clients.items():
            self.come(player, 0)
            for _ in range(50):
                for edge in self.edges:
                    edge.batch = edge.batch or edge.core.actions.next_batch()
                    self.resolve(edge, taken=len(edge.batch), written=0)
                self.go_back(player)
                if not client.unanswered:
                    break
            assert not client.unanswered
            assert client.acknowledged | client.refused == set(range(1, client.next_id))
        self.the_log_has_what_was_acknowledged()
        self.first_copies_are_in_order()


ActionsMachine.TestCase.settings = settings(max_examples=examples(4), stateful_step_count=40)
test_generated_histories = ActionsMachine.TestCase
