"""Numbered actions by examples: what a client that comes back is answered, here and at an edge where it was before."""

from collections.abc import Sequence
from typing import Any

import pytest

from support.access import LIMITS, make_access
from support.core_edge import CLIENT, RATES, CoreClient, CoreEdge
from touchline_protocol import codes
from touchline_protocol.actions import decode_action
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
from touchline_server.core.clients.limits import ClientLimits
from touchline_server.core.clocks import LoopMs
from touchline_server.core.players.access import Access
from touchline_server.core.players.grants import Grant, Patterns
from touchline_server.core.players.token_expiry import EXPIRY_STEP_MS
from touchline_server.core.rate import Rate

NEVER_MS = 1 << 50


def verify(token: str, _now_ms: int) -> Grant:
    """A token reads ``<player>``, ``<player>@<expires_ms>`` or ``<player>@<expires_ms>@<rooms>``."""
    player, _, rest = token.partition("@")
    expires_ms, _, rooms = rest.partition("@")
    return Grant(player, Patterns([rooms or "*"]), Patterns(["*"]), int(expires_ms or NEVER_MS))


class ModelEdge(CoreEdge):
    """An edge whose log takes what it is told to."""

    def __init__(self, access: Access[Any] | None = None, *, client: ClientLimits = CLIENT) -> None:
        super().__init__(access=access or make_access(verify=verify), client=client)
        self.access = self.core.access

    @property
    def logged(self) -> list[int]:
        return [decode_action(action.value).id for action in self.log]

    def player(self, token: str | None = "ann", session: str | None = None) -> "Player":
        return Player(self, token, session)


class Player(CoreClient):
    """A connection that has said hello."""

    def __init__(self, edge: ModelEdge, token: str | None, session: str | None) -> None:
        super().__init__(edge)
        (self.welcome,) = self.say(Hello(token=token, session=session))

    def say(self, *messages: Message) -> list[ServerMessage]:
        self.send(*messages)
        return self.take()

    def act(self, *ids: int | tuple[int, int], room: str = "score:1") -> list[ServerMessage]:
        """Act under these ids; a pair is an id with its ``prev``."""
        pairs = [one if isinstance(one, tuple) else (one, None) for one in ids]
        return self.say(*[Action(id=number, room=room, kind="tap", prev=prev) for number, prev in pairs])


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
        client = edge.player(session="s")
        assert client.act(*ids) == []
        edge.append()
        assert told(client.take()) == [(number, "ack") for number in ids]
        client.leave()


def test_what_waits_since_an_earlier_visit_is_not_asked_for_when_the_log_does_not_take_it() -> None:
    edge = ModelEdge()
    client = edge.player(session="s")
    client.act(1, 2)
    client.leave()
    # Another edge took 1 to 4 meanwhile.
    again = edge.player(session="s")
    assert again.act(5, 6) == []
    edge.append(written=0)
    assert told(again.take()) == [(number, "log_unavailable") for number in (1, 2, 5, 6)]
    assert told(again.act(6)) == [(6, "id_gap")]
    assert again.act(5, 6) == []
    edge.append()
    assert told(again.take()) == [(5, "ack"), (6, "ack")]


def test_what_was_refused_after_an_earlier_visit_stays_refused_when_older_ones_fail() -> None:
    edge = ModelEdge()
    client = edge.player(session="s")
    client.act(1, 2)
    client.leave()
    again = edge.player(session="s")
    assert told(again.act(5, room="chat:1")) == [(5, "action_bad_room")]
    edge.append(written=0)
    again.take()
    assert told(again.act(5)) == [(5, "action_bad_room")]
    assert again.act((6, 4)) == []


def test_the_first_that_cannot_be_taken_yet_at_a_new_edge_is_the_one_to_go_on_from() -> None:
    edge = ModelEdge()
    client = edge.player(session="s")
    edge.core.actions.pause("the log is away")
    assert told(client.act(5)) == [(5, "log_unavailable")]
    edge.core.actions.resume()
    assert told(client.act(6)) == [(6, "id_gap")]
    assert client.act(5, 6) == []
    edge.append()
    assert edge.logged == [5, 6]


def test_only_who_comes_back_may_begin_anywhere() -> None:
    edge = ModelEdge()
    client = edge.player()
    assert told(client.act(3)) == [(3, "id_gap")]
    assert client.act(1) == []
    assert told(client.act(3)) == [(3, "id_gap")]
    edge.append()
    assert edge.logged == [1]


def test_a_session_that_is_taken_over_hears_no_more_and_the_newer_one_gets_the_answers() -> None:
    edge = ModelEdge()
    first = edge.player(session="s")
    first.act(1, 2)
    second = edge.player(session="s")
    assert first.close_code is codes.SESSION_REPLACED
    assert second.close_code is None
    assert second.act(1, 2, 3) == []
    edge.append()
    assert told(second.take()) == [(1, "ack"), (2, "ack"), (3, "ack")]
    assert edge.logged == [1, 2, 3]
    first.leave()
    assert told(second.act(3)) == [(3, "duplicate_id")]


def test_sessions_of_two_players_never_meet_under_one_name() -> None:
    edge = ModelEdge()
    ann, bob = edge.player("ann", "s"), edge.player("bob", "s")
    assert ann.close_code is None
    assert ann.act(1) == bob.act(1) == []
    edge.append()
    assert (told(ann.take()), told(bob.take())) == ([(1, "ack")], [(1, "ack")])


def test_as_many_refused_ones_are_remembered_as_can_be_under_way() -> None:
    edge = ModelEdge()
    client = edge.player()
    span = LIMITS.actions_window
    assert told(client.act(*range(1, 3 * span), room="nowhere")) == [(n, "action_bad_room") for n in range(1, 3 * span)]
    newest = range(2 * span, 3 * span)
    assert told(client.act(*newest)) == [(number, "action_bad_room") for number in newest]
    session = client.client.action_session
    assert session is not None
    assert len(session.refused) == span


def test_ids_under_way_are_bounded_from_the_first_that_waits() -> None:
    edge = ModelEdge()
    client = edge.player()
    span = LIMITS.actions_window
    assert client.act(1) == []
    assert told(client.act(*range(2, span + 1), room="nowhere")) == [(n, "action_bad_room") for n in range(2, span + 1)]
    assert told(client.act((span + 1, 1))) == [(span + 1, "too_many_unacked")]
    edge.append()
    assert told(client.take()) == [(1, "ack")]
    assert client.act((span + 1, 1)) == []


def test_all_actions_that_wait_are_bounded() -> None:
    edge = ModelEdge()
    clients = [edge.player(player) for player in ("ann", "bob", "cid")]
    span = LIMITS.actions_window
    for client in clients[:2]:
        assert client.act(*range(1, span + 1)) == []
    assert told(clients[2].act(1)) == [(1, "too_many_unacked")]
    edge.append()
    assert clients[2].act(1) == []


def test_players_and_numberings_are_forgotten_when_nobody_can_go_on_with_them() -> None:
    edge = ModelEdge()
    access = edge.access
    clients = [edge.player(f"p{number}", session="s") for number in range(16)]
    for client in clients:
        client.act(1)
    edge.append()
    for client in clients:
        client.leave()
    assert len(access.actions._sessions) == len(clients)
    edge.unix_ms = -3_600_000  # setting the computer's clock is not time that passes
    edge.loop_ms = 299_000
    access.evict_idle(edge.now.loop_ms)
    assert len(access._players) == len(access._limiter) == 0
    assert len(access.actions._sessions) == len(clients)
    edge.loop_ms = 310_000
    access.evict_idle(edge.now.loop_ms)
    assert not access.actions._sessions
    assert not access.actions._left


def test_a_numbering_that_somebody_goes_on_with_is_not_forgotten() -> None:
    edge = ModelEdge()
    client = edge.player(session="s")
    client.act(1)
    edge.append()
    client.leave()
    again = edge.player(session="s")
    edge.loop_ms = 900_000
    edge.access.evict_idle(edge.now.loop_ms)
    assert isinstance(again.welcome, Welcome)
    assert again.welcome.last_action == 1
    assert told(again.act(1)) == [(1, "duplicate_id")]


def test_a_session_without_an_action_leaves_nothing_behind() -> None:
    edge = ModelEdge()
    for number in range(10):
        edge.player(f"p{number}").leave()
    assert len(edge.access._players) == 0
    assert not edge.access.actions._sessions
    assert not edge.access.actions._left


def test_ends_of_tokens_that_nobody_holds_any_more_take_no_room() -> None:
    """A token of a week would be remembered for a week."""
    edge = ModelEdge()
    stays = edge.player(f"ann@{EXPIRY_STEP_MS * 5_000}")
    for number in range(1, 3_000):
        edge.player(f"bob@{EXPIRY_STEP_MS * number}").leave()
    expiry = edge.access._expiry
    edge.access.evict_idle(LoopMs(0))
    assert len(expiry._holders) == 1
    assert len(expiry._steps) < 300
    assert expiry.take_expired(LoopMs(EXPIRY_STEP_MS * 5_000)) == [stays.client]
    assert expiry.take_expired(LoopMs(EXPIRY_STEP_MS * 9_000)) == []


@pytest.mark.parametrize("set_by_ms", [-3_600_000, 3_600_000])
def test_setting_the_computers_clock_neither_ends_a_token_in_use_nor_makes_it_last_longer(set_by_ms: int) -> None:
    edge = ModelEdge()
    client = edge.player("ann@2000")
    edge.loop_ms, edge.unix_ms = 1_999, 1_999 + set_by_ms
    edge.tick()
    assert (client.close_code, client.act(1)) == (None, [])
    edge.loop_ms, edge.unix_ms = 2_000, 2_000 + set_by_ms
    assert told(client.act(2)) == [(2, "token_expired")]
    edge.tick()
    assert client.close_code is codes.CLOSE_TOKEN_EXPIRED


def test_a_session_with_a_newer_token_ends_with_that_one_and_once() -> None:
    edge = ModelEdge()
    client = edge.player("ann@1000")
    assert client.say(Refresh(token="ann@5000", id=3)) == [Refreshed(expires=5000, id=3)]
    assert client.say(Refresh(token="ann@3000")) == [Refreshed(expires=3000)]
    for edge.loop_ms in (1_000, 2_999):
        edge.tick()
        assert client.close_code is None
    edge.loop_ms = 3_000
    edge.tick()
    assert client.close_code is codes.CLOSE_TOKEN_EXPIRED
    assert edge.access.clients_of("ann") == set()


def test_a_bucket_is_the_same_after_a_refresh_and_on_another_connection() -> None:
    edge = ModelEdge(make_access(verify=verify, per_second_max=10.0, burst=3))
    client, other = edge.player(), edge.player()
    client.say(Refresh(token="ann"))
    assert client.act(1, 2) == []
    assert other.act(1) == []
    (nack,) = other.act(2)
    assert isinstance(nack, Nack)
    assert (nack.code, nack.retry_ms) == ("rate_limited", 201)
    client.leave()
    other.leave()
    back = edge.player()
    assert told(back.act(1)) == [(1, "rate_limited")]
    edge.loop_ms += nack.retry_ms or 0
    assert back.act(1) == []


def test_setting_the_computers_clock_fills_no_bucket_and_empties_none() -> None:
    edge = ModelEdge(make_access(verify=verify, per_second_max=10.0, burst=2))
    edge.unix_ms = 10_000
    client = edge.player()
    client.act(1, 2)
    for edge.unix_ms in (0, 3_600_000):
        assert told(client.act(3)) == [(3, "rate_limited")]
    edge.loop_ms = 101
    assert client.act(3) == []


def test_rooms_that_a_newer_token_does_not_cover_are_left_without_counting_as_refusals() -> None:
    few = RATES._replace(refusals=Rate(per_second_max=1, burst=5))
    edge = ModelEdge(make_access(verify=verify, token_required=True), client=CLIENT._replace(rates=few))
    client = edge.player("ann")
    rooms = [f"score:{number}" for number in range(10)]
    client.say(Subscribe(rooms=[RoomRequest(room=room) for room in rooms], id=7))
    for subscription in list(client.client.subscriptions.values())[:-1]:
        subscription.start_over()  # is answered, except for the last one
    *errors, refreshed = client.say(Refresh(token=f"ann@{NEVER_MS}@score:3"))
    assert refreshed == Refreshed(expires=NEVER_MS)
    assert [(error.code, error.room, error.id) for error in errors if isinstance(error, Error)] == [
        ("forbidden", room, 7 if room == rooms[-1] else None) for room in rooms if room != "score:3"
    ]
    assert list(client.client.subscriptions) == ["score:3"]
    assert client.close_code is None
    client.say(Unsubscribe(rooms=["score:3"]))
    assert client.client.subscriptions == {}


def test_who_is_nobody_cannot_become_a_player() -> None:
    edge = ModelEdge()
    client = edge.player(None)
    (error,) = client.say(Refresh(token="ann", id=4))
    assert isinstance(error, Error)
    assert (error.code, error.id) == ("token_player", 4)
    assert told(client.act(1)) == [(1, "token_missing")]
    assert len(edge.access._players) == 0


def test_a_server_without_keys_says_that_it_takes_no_actions() -> None:
    client = ModelEdge(make_access(verify=None)).player(None)
    assert isinstance(client.welcome, Welcome)
    assert (client.welcome.limits.actions_window, client.welcome.limits.action_bytes_max) == (0, 0)


def test_a_malformed_action_says_what_came_before_it_too() -> None:
    edge = ModelEdge()
    client = edge.player(session="s")
    assert client.act(5) == []
    client.send_bytes(b'{"type":"action","id":7,"room":1,"kind":"tap","prev":5}')
    assert told(client.take()) == [(7, "action_malformed")]
    client.send_bytes(b'{"type":"action","id":9,"room":"score:1","kind":"tap","prev":"x"}')
    assert told(client.take()) == [(9, "id_gap")]
    client.send_bytes(b'{"type":"action","id":8,"room":"score:1","kind":"tap","prev":"x"}')
    assert told(client.take()) == [(8, "action_malformed")]
