"""Tokens and verdicts in a session: when a newer token is due, and what becomes of the server's last words."""

import msgspec
import pytest

from sdk.sessions import PLAYER, new_session, open_again, player, receive, sent
from touchline.errors import ConnectionRefused, Unreachable
from touchline.session.items import Verdict as VerdictItem
from touchline.session.session import Session
from touchline.session.states import State
from touchline.session.token_refresh import INTERVAL_S_MIN
from touchline_protocol.codes import CLOSES
from touchline_protocol.messages import Error, Hello, Refresh, Refreshed, Verdict

SERVER_S = 1_700_000_000
"""The server's clock when the client's shows 0."""


def with_token(life_s: float, *, can_renew: bool = True) -> Session:
    """A session whose token expires after ``life_s``."""
    client = new_session(can_renew=can_renew)
    expires = int((SERVER_S + life_s) * 1000)
    open_again(client, 0, msgspec.structs.replace(PLAYER, time=SERVER_S * 1000, expires=expires))
    return client


def due_at(client: Session) -> float | None:
    """When a newer token is due; the session waits for nothing else."""
    at = client.deadline
    if at is not None:
        assert not client.token_due
        client.tick(at)
        assert client.token_due
    return at


@pytest.mark.parametrize(
    ("life_s", "at_s"), [(3600, 2880), (25, 20), (20, 15), (8, 4), (1.2, INTERVAL_S_MIN), (0.9, None), (-5, None)]
)
def test_a_newer_token_is_due_in_time_by_the_servers_clock(life_s: float, at_s: float | None) -> None:
    assert due_at(with_token(life_s)) == at_s


def test_no_token_is_due_if_it_cannot_be_renewed_or_never_expires() -> None:
    assert with_token(3600, can_renew=False).deadline is None
    assert player().deadline is None


def test_a_newer_token_is_sent_and_the_next_one_is_due_by_its_end() -> None:
    client = with_token(100)
    assert due_at(client) == 80
    client.refresh("newer", 80)
    (message,) = sent(client)
    assert isinstance(message, Refresh)
    assert message.token == "newer"
    receive(client, Refreshed(expires=(SERVER_S + 180) * 1000, id=message.id), now_s=80)
    assert due_at(client) == 160


def test_if_there_is_no_newer_token_it_is_due_again_until_the_end() -> None:
    client = with_token(100)
    times = []
    while (at := due_at(client)) is not None:
        times.append(at)
        client.refresh(None, at)
        assert sent(client) == []
    assert times == [80, 95, 97.5, 98.75, 99.75]


def test_a_refused_refresh_ends_nothing_and_is_reported_when_the_server_closes() -> None:
    client = with_token(100)
    due_at(client)
    client.refresh("eve's", 80)
    (message,) = sent(client)
    assert isinstance(message, Refresh)
    receive(client, Error(code="token_player", message="that is eve's", id=message.id), now_s=80)
    assert client.state is State.OPEN
    client.disconnected(100, 4002, "")
    assert (client.state, client.failure) == (State.WAITING, None)
    assert {"4002", "token_expired", "eve's", "token_player"} <= words(client.trouble)
    client.tick(110)
    client.connected(110, "newest")
    assert sent(client) == [Hello(token="newest", session="s", agent="test")]


def test_a_lost_connection_needs_no_token_and_a_late_token_is_not_sent() -> None:
    client = with_token(100)
    due_at(client)
    client.disconnected(81, 1006, "")
    assert not client.token_due
    client.refresh("late", 81)
    assert sent(client) == []
    assert client.deadline == 82  # the next connection


def test_an_expired_fixed_token_is_the_end() -> None:
    client = with_token(100, can_renew=False)
    client.disconnected(100, 4002, "")
    assert isinstance(client.failure, ConnectionRefused)
    assert client.failure.code == 4002


def test_a_key_that_the_server_does_not_know_yet_is_worth_another_attempt() -> None:
    first = new_session()
    first.connected(0, "token")
    receive(first, Error(code="token_key_unknown", message="no key k2 here"))
    first.disconnected(0, 4003, "")
    assert isinstance(first.failure, Unreachable)
    assert {"4003", "k2", "token_key_unknown"} <= words(str(first.failure))
    later = player()
    later.disconnected(0, 4003, "")
    assert later.state is State.WAITING


def test_a_token_that_is_refused_in_hello_ends_the_session_with_its_code() -> None:
    client = new_session(retry_first=True)
    client.connected(0, "token")
    receive(client, Error(code="token_signature", message="not signed by k1"))
    client.disconnected(0, 4502, "")
    assert isinstance(client.failure, ConnectionRefused)
    assert client.failure.code == "token_signature"
    assert {"k1", "token_signature"} <= words(str(client.failure))


@pytest.mark.parametrize(
    ("until", "shown"), [(None, set()), (1_700_000_000_000, {"2023-11-14", "22:13:20"}), (2**60, set())]
)
def test_a_ban_is_reported_with_its_reason_and_its_end(until: int | None, shown: set[str]) -> None:
    client = player()
    receive(client, Verdict(kind="warn", reason="slow down"))
    assert client.verdict == VerdictItem("warn", "slow down", None)
    receive(client, Verdict(kind="ban", reason="40 taps a second", until=until))
    client.disconnected(0, 4503, "banned")
    assert {"4503", "banned", "40", "taps"} | shown <= words(str(client.failure))
    assert ("until" in words(str(client.failure))) == bool(shown)
    assert client.verdict == VerdictItem("ban", "40 taps a second", until)


@pytest.mark.parametrize("reason", ["", "wrong_frame", "the subprotocol is x"])
def test_the_reason_of_a_close_is_reported_if_it_says_more_than_the_code(reason: str) -> None:
    client = player()
    client.disconnected(0, 1003, reason)
    text = str(client.failure)
    assert f"1003 wrong_frame: {reason} (" in text if "subprotocol" in reason else "1003 wrong_frame (" in text


def test_a_close_that_ends_the_session_reports_what_its_code_means() -> None:
    client = player()
    client.disconnected(0, 4504, "")
    assert CLOSES[4504].meaning in str(client.failure)


def words(text: str) -> set[str]:
    """The words, codes and numbers in a sentence, without the punctuation around them."""
    return {word.strip(".,;:()") for word in text.split()}
