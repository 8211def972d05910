"""Actions against a model of edges and their log: each is in it once, in the player's order, with a true outcome."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sdk.core_edges import CoreEdges
from sdk.model_edges import REFUSED_KIND, Edges
from support.thoroughness import examples
from touchline.errors import ActionInDoubt, ActionRefused
from touchline.session.pending_action import Outcome, PendingAction, Receipt
from touchline.session.reconnect import Backoff
from touchline.session.session import Session
from touchline.session.states import CONNECTED, State
from touchline_protocol.codecs import CODECS
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Action

EDGES = 2
EDGE = st.integers(0, EDGES - 1)
SOON_S = 40
"""Longer than any pause and any wait for the next connection, and much shorter than a resend may take."""

COUNT = st.integers(1, 4)
KIND = st.sampled_from(["tap", "tap", "tap", REFUSED_KIND])


class ActionsAgainstModel(RuleBasedStateMachine):
    """A player who acts and has second thoughts, a network that breaks anywhere, and edges that come and go."""

    edges_made: type[Edges] | type[CoreEdges] = Edges

    @initialize(codec=st.sampled_from(range(len(CODECS))), random=st.floats(0, 1))
    def begin(self, codec: int, random: float) -> None:
        self.codec = CODECS[codec]
        self.edges = self.edges_made(self.codec, EDGES)
        self.session = Session(
            self.codec,
            agent="test",
            backoff=Backoff(),
            random=lambda: random,
            retry_first=True,
            actions_max=1000,
            can_renew_token=False,
        )
        self.now_s = 0.0
        self.acts: list[PendingAction] = []  # an action's index here is its data
        self.outcomes: dict[PendingAction, Outcome] = {}
        self.withdrawn: set[PendingAction] = set()
        self.first_sent_s: dict[tuple[str, int], float] = {}
        self.connect(0)

    def connect(self, edge: int) -> None:
        self.edges.connect(edge)
        self.session.connected(self.now_s, "ada")
        self.deliver_all_messages()

    @rule(kinds=st.lists(KIND, min_size=1, max_size=6), arrive=st.booleans())
    def act(self, kinds: list[str], arrive: bool) -> None:
        for kind in kinds:
            self.acts.append(self.session.act("score:1", kind, b"%d" % len(self.acts)))
        if arrive:
            self.deliver_all_messages()

    @precondition(lambda self: self.acts)
    @rule(which=st.integers(0, 100))
    def withdraw(self, which: int) -> None:
        act = self.acts[-1 - which % len(self.acts)]
        self.session.withdraw(act)
        self.withdrawn.add(act)

    @rule()
    def send(self) -> None:
        output = self.session.take_output()
        assert not output or self.session.state in CONNECTED
        for payload in output:
            message = self.codec.decode_client(payload)
            if isinstance(message, Action):
                assert self.session.welcome is not None
                first_s = self.first_sent_s.setdefault((self.session.welcome.session, message.id), self.now_s)
                assert self.now_s < first_s + ACTION_RESEND_S_MAX
        self.edges.to_server.extend(output)

    @rule(count=COUNT)
    def edge_reads(self, count: int) -> None:
        for _ in range(min(count, len(self.edges.to_server))):
            self.edges.read()

    @rule(count=COUNT)
    def receive(self, count: int) -> None:
        for _ in range(min(count, len(self.edges.to_client))):
            if self.session.state in CONNECTED:
                self.session.receive(self.edges.to_client.popleft(), self.now_s)
                self.take_outcomes()

    @rule()
    def deliver_all_messages(self) -> None:
        for _ in range(2):
            self.send()
            self.edge_reads(100)
            self.receive(100)

    @rule(edge=EDGE, count=COUNT, believed=st.sampled_from([True, True, False]))
    def edge_appends(self, edge: int, count: int, believed: bool) -> None:
        self.edges.append(edge, count, believed=believed)

    @rule(edge=EDGE)
    def log_is_away(self, edge: int) -> None:
        self.edges.fail(edge)

    @rule(count=COUNT)
    def edge_takes_none_for_now(self, count: int) -> None:
        self.edges.not_now = count

    @rule(edge=EDGE)
    def edge_forgets(self, edge: int) -> None:
        self.edges.forget(edge)

    @precondition(lambda self: self.session.state in CONNECTED)
    @rule(edge=EDGE)
    def connection_is_lost(self, edge: int) -> None:
        self.session.disconnected(self.now_s, 1006, "")
        self.time_passes(edge)

    @rule(edge=EDGE)
    def time_passes(self, edge: int) -> None:
        """Until something is due soon: the end of a pause, or the next connection."""
        deadline = self.session.deadline
        if deadline is not None and deadline - self.now_s <= SOON_S:
            self.tick(max(self.now_s, deadline))
        if self.session.state is State.CONNECTING:
            self.connect(edge)

    @rule(share=st.sampled_from([0.5, 1.0]))
    def long_time_passes(self, share: float) -> None:
        """Until no message and no append can still be on its way."""
        self.edge_reads(100)
        for edge in range(EDGES):
            self.edges.fail(edge)
        self.tick(self.now_s + share * ACTION_RESEND_S_MAX)

    def tick(self, now_s: float) -> None:
        self.now_s = now_s
        self.session.tick(now_s)
        self.take_outcomes()

    def take_outcomes(self) -> None:
        for act, outcome in self.session.take_outcomes():
            assert act not in self.outcomes
            assert act not in self.withdrawn
            self.outcomes[act] = outcome
            n = self.acts.index(act)
            there = [entry for entry in self.edges.log if entry.n == n]
            match outcome:
                case Receipt(session, number):
                    assert {(entry.session, entry.id) for entry in there} == {(session, number)}
                case ActionRefused(code=code):
                    assert (code, act.kind, there) == ("action_invalid", REFUSED_KIND, [])
                case ActionInDoubt():
                    assert act.id is not None
                    refused_later = act.kind == REFUSED_KIND and act.send_count > 1
                    too_late = self.now_s >= self.first_sent_s[act.session, act.id] + ACTION_RESEND_S_MAX
                    assert too_late or refused_later

    @invariant()
    def log_has_each_once_and_in_order(self) -> None:
        if not hasattr(self, "edges"):
            return
        first: dict[tuple[str, int], int] = {}
        for session, number, n in self.edges.log:
            assert first.setdefault((session, number), n) == n
        assert list(first.values()) == sorted(set(first.values()))
        assert self.session.state is not State.CLOSED

    def teardown(self) -> None:
        """After the trouble, every action has the right outcome."""
        if not hasattr(self, "edges"):
            return
        self.edges.not_now = 0
        soon = self.now_s + 2 * SOON_S
        in_doubt = {act for act in self.acts if act.id is not None and soon >= act.first_sent_s + ACTION_RESEND_S_MAX}
        for _ in range(30 + len(self.acts)):
            self.time_passes(0)
            self.deliver_all_messages()
            self.edges.append(self.edges.at, 100)
            self.receive(100)
        for n, act in enumerate(self.acts):
            if act in self.withdrawn or act in in_doubt:
                continue  # nobody hears of it, or not in time
            outcome = self.outcomes.get(act)
            if act.kind == REFUSED_KIND:
                assert isinstance(outcome, ActionRefused | ActionInDoubt)
            else:
                assert isinstance(outcome, Receipt), f"{n}: {outcome!r}"


class ActionsAgainstCore(ActionsAgainstModel):
    """The same, with the server's core as the edges."""

    edges_made = CoreEdges


SETTINGS = settings(max_examples=examples(2), stateful_step_count=50)
TestActionsAgainstModel = ActionsAgainstModel.TestCase
TestActionsAgainstModel.settings = SETTINGS
TestActionsAgainstCore = ActionsAgainstCore.TestCase
TestActionsAgainstCore.settings = SETTINGS
