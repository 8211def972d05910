"""Numbered actions by examples: what a client that comes back is answered, here and at an edge where it was before."""

import itertools
from collections.abc import Sequence

from support.client_model import messages_in
from support.doors import LIMITS, a_door
from touchline_protocol import codes
from touchline_protocol.actions import decode_action
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import (
    Ack,
    Action,
    Error,
    Hello,
    Message,
    Nack,
    Refresh,
    Refreshed,
    RoomRequest,
    ServerMessage,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from touchline_server.core.access import Door
from touchline_server.core.client import Session, SessionLimits
from touchline_server.core.feed import Feed
from touchline_server.core.grants import Grant, Patterns
from touchline_server.core.hub import Hub, HubLimits
from touchline_server.core.players import EXPIRY_STEP_MS

ROOMS_MAX = 20
NEVER_MS = 1 << 50


def verify(token: str, _now_ms: int) -> Grant:
    """A token reads ``<player>``, ``<player>@<expires_ms>`` or ``<player>@<expires_ms>@<rooms>``."""
    player, _, rest = token.partition("@")
    expires_ms, _, rooms = rest.partition("@")
    return Grant(player, Patterns([rooms or "*"]), Patterns(["*"]), int(expires_ms or NEVER_MS))


class ModelEdge:
    """An edge whose log takes what it is told to."""

    def __init__(self, door: Door | None = None, *, errors_max: int = 100) -> None:
        self.door = door or a_door(verify=verify)
        self.hub = Hub([Feed("score", "score-events")], HubLimits(1 << 20, 1, 1 << 20, 1), lambda _key, _count: 0)
        self.hub.opened("score-events", "e", {0: 0})
        self.hub.caught_up("score-events")
        self.limits = SessionLimits("edge", 25_000, 65_536, ROOMS_MAX, errors_max, 100)
        self.log: list[int] = []
        self.now_ms = 0
        self._names = itertools.count()

    def name(self) -> str:
        return f"given-{next(self._names)}"

    def client(self, token: str | None = "ann", session: str | None = None) -> "Client":
        return Client(self, token, session)

    def append(self, taken: int | None = None) -> None:
        """Append what waits; the log takes ``taken``, or all."""
        while batch := self.door.actions.batch():
            count = len(batch) if taken is None else taken
            self.log += [decode_action(draft.value).id for draft in batch[:count]]
            self.door.actions.settle(batch, count)


class Client:
    """A connection that has said hello."""

    def __init__(self, edge: ModelEdge, token: str | None, session: str | None) -> None:
        self.edge = edge
        self.session = Session(edge.hub, edge.door, JSON, edge.limits, lambda _: None, self, edge.name())
        (self.welcome,) = self.say(Hello(token=token, session=session))

    def say(self, *messages: Message) -> list[ServerMessage]:
        for message in messages:
            self.session.receive(JSON.encode(message), now_ms=self.edge.now_ms)
        return self.heard()

    def act(self, *ids: int | tuple[int, int], room: str = "score:1") -> list[ServerMessage]:
        """Act under these ids; a pair is an id with its ``prev``."""
        pairs = [one if isinstance(one, tuple) else (one, None) for one in ids]
        return self.say(*[Action(id=number, room=room, kind="tap", prev=prev) for number, prev in pairs])

    def heard(self) -> list[ServerMessage]:
        return list(messages_in(self.session.take_output(), JSON))

    def leave(self) -> None:
        self.session.close(self.edge.now_ms)


def told(messages: Sequence[ServerMessage]) -> list[tuple[int, str]]:
    """The answers to actions: id, and code or ``ack``."""
    said = []
    for message in messages:
        assert isinstance(message, Ack | Nack), message
        said.append((message.id, "ack" if isinstance(message, Ack) else message.code))
    return said


def test_who_was_at_another_edge_in_between_is_not_asked_for_what_that_one_took() -> None:
    first, second = ModelEdge(), ModelEdge()
    for edge, ids in ((first, (1, 2)), (second, (3, 4, 5)), (first, (6,)), (second, (7, 8)), (first, (9,))):
        client = edge.client(session="s")
        assert client.act(*ids) == []
        edge.append()
        assert told(client.heard()) == [(number, "ack") for number in ids]
        client.leave()


def test_what_waits_since_an_earlier_visit_is_not_asked_for_when_the_log_does_not_take_it() -> None:
    edge = ModelEdge()
    client = edge.client(session="s")
    client.act(1, 2)
    client.leave()
    # Another edge took 1 to 4 meanwhile.
    again = edge.client(session="s")
    assert again.act(5, 6) == []
    edge.append(taken=0)
    assert told(again.heard()) == [(number, "log_unavailable") for number in (1, 2, 5, 6)]
    assert told(again.act(6)) == [(6, "id_gap")]
    assert again.act(5, 6) == []
    edge.append()
    assert told(again.heard()) == [(5, "ack"), (6, "ack")]


def test_what_was_refused_after_an_earlier_visit_stays_refused_when_older_ones_fail() -> None:
    edge = ModelEdge()
    client = edge.client(session="s")
    client.act(1, 2)
    client.leave()
    again = edge.client(session="s")
    assert told(again.act(5, room="chat:1")) == [(5, "action_bad_room")]
    edge.append(taken=0)
    again.heard()
    assert told(again.act(5)) == [(5, "action_bad_room")]
    assert again.act((6, 4)) == []


def test_the_first_that_cannot_be_taken_yet_at_a_new_edge_is_the_one_to_go_on_from() -> None:
    edge = ModelEdge()
    client = edge.client(session="s")
    edge.door.actions.away = "the log is away"
    assert told(client.act(5)) == [(5, "log_unavailable")]
    edge.door.actions.away = None
    assert told(client.act(6)) == [(6, "id_gap")]
    assert client.act(5, 6) == []
    edge.append()
    assert edge.log == [5, 6]


def test_only_who_comes_back_may_begin_anywhere() -> None:
    edge = ModelEdge()
    client = edge.client()
    assert told(client.act(3)) == [(3, "id_gap")]
    assert client.act(1) == []
    assert told(client.act(3)) == [(3, "id_gap")]
    edge.append()
    assert edge.log == [1]


def test_a_session_that_is_taken_over_hears_no_more_and_the_newer_one_gets_the_answers() -> None:
    edge = ModelEdge()
    first = edge.client(session="s")
    first.act(1, 2)
    second = edge.client(session="s")
    assert edge.door.take_ended() == [first.session]
    assert edge.door.take_ended() == []
    assert first.session.closing is codes.SESSION_REPLACED
    assert second.act(1, 2, 3) == []
    edge.append()
    assert told(second.heard()) == [(1, "ack"), (2, "ack"), (3, "ack")]
    assert edge.log == [1, 2, 3]
    first.leave()
    assert told(second.act(3)) == [(3, "duplicate_id")]


def test_sessions_of_two_players_never_meet_under_one_name() -> None:
    edge = ModelEdge()
    ann, bob = edge.client("ann", "s"), edge.client("bob", "s")
    assert edge.door.take_ended() == []
    assert ann.act(1) == bob.act(1) == []
    edge.append()
    assert (told(ann.heard()), told(bob.heard())) == ([(1, "ack")], [(1, "ack")])


def test_as_many_refused_ones_are_remembered_as_can_be_under_way() -> None:
    edge = ModelEdge()
    client = edge.client()
    span = LIMITS.actions_window
    assert told(client.act(*range(1, 3 * span), room="nowhere")) == [(n, "action_bad_room") for n in range(1, 3 * span)]
    newest = range(2 * span, 3 * span)
    assert told(client.act(*newest)) == [(number, "action_bad_room") for number in newest]
    numbering = client.session.numbering
    assert numbering is not None
    assert len(numbering.refused) == span


def test_ids_under_way_are_bounded_from_the_first_that_waits() -> None:
    edge = ModelEdge()
    client = edge.client()
    span = LIMITS.actions_window
    assert client.act(1) == []
    assert told(client.act(*range(2, span + 1), room="nowhere")) == [(n, "action_bad_room") for n in range(2, span + 1)]
    assert told(client.act((span + 1, 1))) == [(span + 1, "too_many_unacked")]
    edge.append()
    assert told(client.heard()) == [(1, "ack")]
    assert client.act((span + 1, 1)) == []


def test_all_actions_that_wait_are_bounded() -> None:
    edge = ModelEdge()
    clients = [edge.client(player) for player in ("ann", "bob", "cid")]
    span = LIMITS.actions_window
    for client in clients[:2]:
        assert client.act(*range(1, span + 1)) == []
    assert told(clients[2].act(1)) == [(1, "too_many_unacked")]
    edge.append()
    assert clients[2].act(1) == []


def test_players_and_numberings_are_forgotten_when_nobody_can_go_on_with_them() -> None:
    edge = ModelEdge()
    door = edge.door
    clients = [edge.client(f"p{number}", session="s") for number in range(16)]
    for client in clients:
        client.act(1)
    edge.append()
    for client in clients:
        client.leave()
    assert len(door.actions._numberings) == len(clients)
    edge.now_ms = 299_000
    door.tidy(edge.now_ms)
    assert len(door.players) == 0
    assert len(door.actions._numberings) == len(clients)
    edge.now_ms = 310_000
    door.tidy(edge.now_ms)
    assert not door.actions._numberings
    assert not door.actions._left


def test_a_numbering_that_somebody_goes_on_with_is_not_forgotten() -> None:
    edge = ModelEdge()
    client = edge.client(session="s")
    client.act(1)
    edge.append()
    client.leave()
    again = edge.client(session="s")
    edge.now_ms = 900_000
    edge.door.tidy(edge.now_ms)
    assert isinstance(again.welcome, Welcome)
    assert again.welcome.last_action == 1
    assert told(again.act(1)) == [(1, "duplicate_id")]


def test_a_session_without_an_action_leaves_nothing_behind() -> None:
    edge = ModelEdge()
    for number in range(10):
        edge.client(f"p{number}").leave()
    assert len(edge.door.players) == 0
    assert not edge.door.actions._numberings
    assert not edge.door.actions._left


def test_ends_of_tokens_that_nobody_holds_any_more_take_no_room() -> None:
    """A token of a week would be remembered for a week."""
    edge = ModelEdge()
    stays = edge.client(f"ann@{EXPIRY_STEP_MS * 5_000}")
    for number in range(1, 3_000):
        edge.client(f"bob@{EXPIRY_STEP_MS * number}").leave()
    players = edge.door.players
    edge.door.tidy(0)
    assert len(players._expiring) == 1
    assert len(players._steps) < 300
    assert players.expired(EXPIRY_STEP_MS * 5_000) == [stays.session]
    assert players.expired(EXPIRY_STEP_MS * 9_000) == []


def test_a_session_with_a_newer_token_ends_with_that_one_and_once() -> None:
    edge = ModelEdge()
    client = edge.client("ann@1000")
    assert client.say(Refresh(token="ann@5000", id=3)) == [Refreshed(expires=5000, id=3)]
    assert client.say(Refresh(token="ann@3000")) == [Refreshed(expires=3000)]
    assert edge.door.players.expired(2_999) == []
    assert edge.door.players.expired(3_000) == [client.session]
    assert edge.door.players.expired(9_000) == []
    client.leave()
    assert edge.door.players.sessions_of("ann") == set()


def test_a_bucket_is_the_same_after_a_refresh_and_on_another_connection() -> None:
    edge = ModelEdge(a_door(verify=verify, per_second_max=10.0, burst=3))
    client, other = edge.client(), edge.client()
    client.say(Refresh(token="ann"))
    assert client.act(1, 2) == []
    assert other.act(1) == []
    (nack,) = other.act(2)
    assert isinstance(nack, Nack)
    assert (nack.code, nack.retry_ms) == ("rate_limited", 101)
    client.leave()
    other.leave()
    back = edge.client()
    assert told(back.act(1)) == [(1, "rate_limited")]
    edge.now_ms += nack.retry_ms or 0
    assert back.act(1) == []


def test_a_clock_that_is_set_back_fills_no_bucket_and_empties_none() -> None:
    edge = ModelEdge(a_door(verify=verify, per_second_max=10.0, burst=2))
    edge.now_ms = 10_000
    client = edge.client()
    client.act(1, 2)
    edge.now_ms = 0
    assert told(client.act(3)) == [(3, "rate_limited")]
    edge.now_ms = 101
    assert client.act(3) == []


def test_rooms_that_a_newer_token_does_not_cover_are_left_and_are_no_mistakes_of_the_client() -> None:
    edge = ModelEdge(a_door(verify=verify, token_needed=True), errors_max=5)
    client = edge.client("ann")
    rooms = [f"score:{number}" for number in range(10)]
    client.say(Subscribe(rooms=[RoomRequest(room=room) for room in rooms], id=7))
    for subscription in list(client.session.subscriptions.values())[:-1]:
        subscription.lost()  # is answered, but for the last one
    *errors, refreshed = client.say(Refresh(token=f"ann@{NEVER_MS}@score:3"))
    assert refreshed == Refreshed(expires=NEVER_MS)
    assert [(error.code, error.room, error.id) for error in errors if isinstance(error, Error)] == [
        ("forbidden", room, 7 if room == rooms[-1] else None) for room in rooms if room != "score:3"
    ]
    assert list(client.session.subscriptions) == ["score:3"]
    assert client.session.closing is None
    client.say(Unsubscribe(rooms=["score:3"]))
    assert client.session.subscriptions == {}


def test_who_is_nobody_cannot_become_a_player() -> None:
    edge = ModelEdge()
    client = edge.client(None)
    (error,) = client.say(Refresh(token="ann", id=4))
    assert isinstance(error, Error)
    assert (error.code, error.id) == ("token_player", 4)
    assert told(client.act(1)) == [(1, "token_missing")]
    assert len(edge.door.players) == 0


def test_a_server_without_keys_says_that_it_takes_no_actions() -> None:
    client = ModelEdge(a_door(verify=None)).client(None)
    assert isinstance(client.welcome, Welcome)
    assert (client.welcome.limits.actions_window, client.welcome.limits.action_bytes_max) == (0, 0)


def test_a_malformed_action_says_what_came_before_it_too() -> None:
    edge = ModelEdge()
    client = edge.client(session="s")
    assert client.act(5) == []
    client.session.receive(b'{"type":"action","id":7,"room":1,"kind":"tap","prev":5}', now_ms=0)
    assert told(client.heard()) == [(7, "action_malformed")]
    client.session.receive(b'{"type":"action","id":9,"room":"score:1","kind":"tap","prev":"x"}', now_ms=0)
    assert told(client.heard()) == [(9, "id_gap")]
    client.session.receive(b'{"type":"action","id":8,"room":"score:1","kind":"tap","prev":"x"}', now_ms=0)
    assert told(client.heard()) == [(8, "action_malformed")]
