"""Tokens and verdicts in a session: when a newer token is asked for, and what the server's last word is made into."""

import msgspec
import pytest

from sdk.sessions import PLAYER, hear, made, open_again, player, said
from touchline.errors import ConnectionRefused, Unreachable
from touchline.session.items import Verdict as Told
from touchline.session.session import Session
from touchline.session.states import State
from touchline.session.token_refresh import PAUSE_S
from touchline_protocol.messages import Error, Hello, Refresh, Refreshed, Verdict

SERVER_S = 1_700_000_000
"""The server's clock when the client's says 0."""


def lent(life_s: float, *, renews: bool = True) -> Session:
    """A session whose token has so long to live."""
    client = made(renews=renews)
    expires = int((SERVER_S + life_s) * 1000)
    open_again(client, 0, msgspec.structs.replace(PLAYER, time=SERVER_S * 1000, expires=expires))
    return client


def due_at(client: Session) -> float | None:
    """When it asks for a newer token; it has nothing else to wait for."""
    at = client.deadline
    if at is not None:
        assert not client.token_due
        client.tick(at)
        assert client.token_due
    return at


@pytest.mark.parametrize(
    ("life_s", "at_s"), [(3600, 2880), (25, 20), (20, 15), (8, 4), (1.2, PAUSE_S), (0.9, None), (-5, None)]
)
def test_a_newer_token_is_asked_for_in_time_by_the_servers_clock(life_s: float, at_s: float | None) -> None:
    assert due_at(lent(life_s)) == at_s


def test_without_somebody_to_ask_or_without_an_end_nothing_is_asked_for() -> None:
    assert lent(3600, renews=False).deadline is None
    assert player().deadline is None


def test_a_newer_token_is_sent_and_the_next_one_asked_for_by_its_end() -> None:
    client = lent(100)
    assert due_at(client) == 80
    client.refresh("newer", 80)
    (message,) = said(client)
    assert isinstance(message, Refresh)
    assert message.token == "newer"
    hear(client, Refreshed(expires=(SERVER_S + 180) * 1000, id=message.id), now_s=80)
    assert due_at(client) == 160


def test_where_none_is_to_be_had_it_is_asked_for_again_until_the_end() -> None:
    client = lent(100)
    times = []
    while (at := due_at(client)) is not None:
        times.append(at)
        client.refresh(None, at)
        assert said(client) == []
    assert times == [80, 95, 97.5, 98.75, 99.75]


def test_a_refused_refresh_ends_nothing_and_is_told_when_the_server_closes() -> None:
    client = lent(100)
    due_at(client)
    client.refresh("eve's", 80)
    (message,) = said(client)
    assert isinstance(message, Refresh)
    hear(client, Error(code="token_player", message="that is eve's", id=message.id), now_s=80)
    assert client.state is State.OPEN
    client.disconnected(100, 4002, "")
    assert (client.state, client.failure) == (State.WAITING, None)
    assert client.trouble == "the connection was closed with 4002 token_expired. that is eve's (token_player)"
    client.tick(110)
    client.connected(110, "newest")
    assert said(client) == [Hello(token="newest", session="s", agent="test")]


def test_a_connection_that_is_gone_needs_no_token_and_a_token_that_comes_late_is_not_sent() -> None:
    client = lent(100)
    due_at(client)
    client.disconnected(81, 1006, "")
    assert not client.token_due
    client.refresh("late", 81)
    assert said(client) == []
    assert client.deadline == 82  # the next connection


def test_a_fixed_token_that_ran_out_is_the_end() -> None:
    client = lent(100, renews=False)
    client.disconnected(100, 4002, "")
    assert isinstance(client.failure, ConnectionRefused)
    assert client.failure.code == 4002
    assert "give it a function" in str(client.failure)


def test_a_key_that_the_server_does_not_know_yet_is_worth_another_try() -> None:
    first = made()
    first.connected(0, "token")
    hear(first, Error(code="token_key_unknown", message="no key k2 here"))
    first.disconnected(0, 4003, "")
    assert isinstance(first.failure, Unreachable)
    assert "no key k2 here (token_key_unknown)" in str(first.failure)
    later = player()
    later.disconnected(0, 4003, "")
    assert later.state is State.WAITING


def test_a_token_that_is_refused_in_hello_ends_the_session_with_its_code() -> None:
    client = made(retry_first=True)
    client.connected(0, "token")
    hear(client, Error(code="token_signature", message="not signed by k1"))
    client.disconnected(0, 4502, "")
    assert isinstance(client.failure, ConnectionRefused)
    assert client.failure.code == "token_signature"
    assert str(client.failure) == "the server refused: not signed by k1 (token_signature)"


@pytest.mark.parametrize(
    ("until", "says"),
    [
        (None, "The player is banned: 40 taps a second"),
        (1_700_000_000_000, "The player is banned until 2023-11-14 22:13:20 UTC: 40 taps a second"),
        (2**60, "The player is banned: 40 taps a second"),
    ],
)
def test_a_ban_is_told_with_its_reason_and_its_end(until: int | None, says: str) -> None:
    client = player()
    hear(client, Verdict(kind="warn", reason="slow down"))
    assert client.verdict == Told("warn", "slow down", None)
    hear(client, Verdict(kind="ban", reason="40 taps a second", until=until))
    client.disconnected(0, 4503, "banned")
    assert str(client.failure) == f"the connection was closed with 4503 banned. {says}"
    assert client.verdict == Told("ban", "40 taps a second", until)


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("", "1003 wrong_frame ("),
        ("wrong_frame", "1003 wrong_frame ("),
        ("the subprotocol is x", "1003 wrong_frame: the subprotocol is x ("),
    ],
)
def test_the_reason_of_a_close_is_told_where_it_says_more_than_the_code(reason: str, says: str) -> None:
    client = player()
    client.disconnected(0, 1003, reason)
    assert str(client.failure).startswith(f"the connection was closed with {says}")


def test_a_session_that_another_connection_goes_on_with_says_so() -> None:
    client = player()
    client.disconnected(0, 4504, "")
    assert "Another connection of the player goes on with this session." in str(client.failure)
