"""Actions in a session, one decision at a time: which id, what is sent again and when, what an answer means."""

import msgspec
import pytest

from sdk.sessions import ACTING, PLAYER, act, acted, come_back, hear, opened, outcomes, player, said
from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull
from touchline.session.outbox import ACTIONS_DISABLED, REST_S_MAX, Receipt
from touchline_protocol.codes import NACKS, Recovery
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Ack, Action, Hello, Nack


def nack(number: int, code: str, retry_ms: int | None = None) -> Nack:
    return Nack(id=number, code=code, message="no", retry_ms=retry_ms)


def test_an_action_goes_out_as_it_is_and_is_acknowledged_with_its_name() -> None:
    client = player()
    client.act("match:1", "tap", b'{"x":1.5}')
    (message,) = said(client)
    assert message == Action(id=1, room="match:1", kind="tap", data=msgspec.Raw(b'{"x":1.5}'))
    hear(client, Ack(id=1))
    assert outcomes(client) == {"tap": Receipt("s", 1)}


def test_no_more_go_out_than_the_server_allows_counted_from_the_oldest_that_is_not_answered() -> None:
    client = player()
    act(client, *"abcdef")
    assert [kind for _, kind, _ in acted(client)] == list("abcd")
    hear(client, Ack(id=2), Ack(id=3))
    assert acted(client) == []
    hear(client, Ack(id=1))
    assert acted(client) == [(5, "e", None), (6, "f", None)]


def test_only_so_many_may_wait() -> None:
    client = player(actions_max=5)
    act(client, *"abc")
    acted(client)
    act(client, *"de")
    with pytest.raises(ActionsFull, match="5 actions wait"):
        act(client, "f")
    hear(client, Ack(id=1))
    act(client, "f")


@pytest.mark.parametrize("code", NACKS)
def test_each_nack_is_acted_on_as_the_table_says(code: str) -> None:
    client = player()
    act(client, "a", "b")
    acted(client)
    hear(client, nack(1, code))
    if NACKS[code].recovery is Recovery.GIVE_UP:
        refused = outcomes(client)["a"]
        assert isinstance(refused, ActionRefused)
        assert (refused.code, acted(client)) == (code, [])
    else:
        assert (outcomes(client), acted(client)) == ({}, [])
        client.tick(1)  # as long as the backoff says, since the server did not
        assert acted(client) == [(1, "a", None)]


def test_after_later_it_and_all_after_it_are_sent_again_once_and_in_order() -> None:
    client = player()
    act(client, *"abcd")
    acted(client)
    hear(client, Ack(id=1), nack(2, "rate_limited", 500), nack(3, "id_gap", 9000), nack(4, "id_gap", 9000))
    assert (acted(client), client.deadline) == ([], 0.5)
    client.tick(0.49)
    assert acted(client) == []
    client.tick(0.5)
    assert acted(client) == [(2, "b", None)], "one alone, as it may be too early still"
    hear(client, Ack(id=2))
    assert acted(client) == [(3, "c", None), (4, "d", None)]
    hear(client, Ack(id=3), Ack(id=4))
    assert list(outcomes(client)) == list("abcd")


def test_while_it_is_later_one_action_is_sent_at_a_time_and_then_twice_as_many_with_each_answer() -> None:
    client = player(unacked_max=32)
    act(client, *"abcdefghij")
    assert len(acted(client)) == 10
    for now_s in range(3):
        hear(client, nack(1, "log_unavailable", 1000), *(nack(n, "id_gap", 1000) for n in range(2, 11)), now_s=now_s)
        client.tick(now_s + 1)
        assert acted(client) == [(1, "a", None)]
    hear(client, Ack(id=1))
    assert [number for number, _, _ in acted(client)] == [2, 3]
    hear(client, Ack(id=2), nack(3, "muted"))
    assert [number for number, _, _ in acted(client)] == [4, 5, 6, 7, 8, 9, 10]


def test_a_gap_goes_back_to_the_first_that_may_be_missing() -> None:
    client = player()
    act(client, *"abc")
    acted(client)
    hear(client, nack(3, "id_gap", 0))
    client.tick(0)
    assert acted(client) == [(1, "a", None)]
    hear(client, Ack(id=1))
    assert acted(client) == [(2, "b", None), (3, "c", None)]


def test_a_rest_has_its_bound_and_ends_with_the_connection() -> None:
    client = player()
    act(client, "a")
    acted(client)
    hear(client, nack(1, "log_unavailable", 10**9))
    assert client.deadline == REST_S_MAX
    come_back(client, 1)
    assert acted(client) == [(1, "a", None)]


def test_a_code_that_is_not_known_is_a_refusal_unless_the_server_says_when() -> None:
    client = player()
    act(client, "a", "b")
    acted(client)
    hear(client, nack(1, "too_funny"), nack(2, "not_tuesday", 100))
    assert list(outcomes(client)) == ["a"]
    client.tick(0.1)
    assert acted(client) == [(2, "b", 0)]


def test_after_a_reconnect_all_unanswered_are_sent_again_under_the_same_session() -> None:
    client = player()
    act(client, *"abc")
    acted(client)
    hear(client, Ack(id=1))
    client.disconnected(0, 1006, "")
    act(client, "d")
    client.tick(1)
    client.connected(1)
    assert said(client) == [Hello(session="s", agent="test")]
    hear(client, PLAYER, now_s=1)
    # Nothing before the first is missing, whatever this edge knows of it.
    assert acted(client) == [(2, "b", 0), (3, "c", None), (4, "d", None)]


def test_what_was_refused_between_two_that_are_sent_again_is_said_to_be_none() -> None:
    client = player()
    act(client, *"abcd")
    acted(client)
    hear(client, nack(2, "action_invalid"), nack(3, "muted"))
    come_back(client)
    assert acted(client) == [(1, "a", None), (4, "d", 1)]


def test_replayed_is_acknowledged_for_what_was_sent_again_and_an_error_for_what_was_not() -> None:
    client = player()
    act(client, "a")
    acted(client)
    come_back(client)
    act(client, "b")
    acted(client)
    hear(client, nack(1, "duplicate_id"), nack(2, "duplicate_id"))
    told = outcomes(client)
    assert told["a"] == Receipt("s", 1)
    assert isinstance(told["b"], ActionRefused)


def test_a_refusal_of_what_may_have_been_done_before_is_a_doubt() -> None:
    client = player()
    act(client, *"ab")
    acted(client)
    come_back(client)
    act(client, "c")
    acted(client)
    hear(client, nack(1, "muted"), nack(2, "log_unavailable", 0), nack(3, "id_gap", 0))
    client.tick(8)
    acted(client)
    hear(client, nack(2, "muted"), nack(3, "muted"), now_s=8)
    told = outcomes(client)
    assert isinstance(told["a"], ActionInDoubt), "its answer was lost with the first connection"
    assert isinstance(told["b"], ActionInDoubt), "the log may have taken it"
    assert isinstance(told["c"], ActionRefused), "it was certainly not done"


def test_one_that_is_withdrawn_before_it_is_sent_leaves_no_hole_and_after_it_no_answer() -> None:
    client = player()
    first, second, _ = act(client, *"abc")
    client.withdraw(second)
    assert acted(client) == [(1, "a", None), (2, "c", None)]
    client.withdraw(first)
    come_back(client)
    assert acted(client) == [(1, "a", None), (2, "c", None)]
    hear(client, Ack(id=1), Ack(id=2))
    assert list(outcomes(client)) == ["c"]


def test_what_is_not_answered_in_time_is_in_doubt_and_the_others_go_on() -> None:
    client = player()
    act(client, "a")
    acted(client)
    client.tick(100)
    act(client, "b")
    acted(client)
    hear(client, nack(1, "log_unavailable", 1000), now_s=ACTION_RESEND_S_MAX - 0.5)
    assert client.deadline == ACTION_RESEND_S_MAX
    client.tick(ACTION_RESEND_S_MAX)
    told = outcomes(client)
    assert isinstance(told["a"], ActionInDoubt)
    assert list(told) == ["a"]
    client.tick(ACTION_RESEND_S_MAX + 0.5)
    assert acted(client) == [(2, "b", 0)]
    hear(client, Ack(id=1), Ack(id=2))
    assert outcomes(client) == {"b": Receipt("s", 2)}


def test_in_doubt_is_told_without_a_connection_too() -> None:
    client = player()
    act(client, "a")
    acted(client)
    client.disconnected(ACTION_RESEND_S_MAX - 0.5, 1006, "")
    assert client.deadline == ACTION_RESEND_S_MAX
    client.tick(ACTION_RESEND_S_MAX)
    assert isinstance(outcomes(client)["a"], ActionInDoubt)


@pytest.mark.parametrize("change", [{"session": "another"}, {"player": "eve"}])
def test_where_the_numbering_ends_what_was_sent_is_in_doubt_and_what_was_not_goes_on(change: dict[str, str]) -> None:
    client = player()
    act(client, *"abcde")
    acted(client)
    come_back(client, welcome=msgspec.structs.replace(PLAYER, **change))
    told = outcomes(client)
    assert [type(outcome) for outcome in told.values()] == [ActionInDoubt] * 4
    # An id is not used twice in a session, though it is another player's now.
    assert acted(client) == ([(1, "e", None)] if "session" in change else [(5, "e", 0)])


def test_what_the_server_would_not_take_is_refused_before_it_is_sent() -> None:
    client = player()
    with pytest.raises(ActionRefused, match="102 bytes as JSON, and this server takes 100") as caught:
        client.act("score:1", "a", b'"' + b"x" * 100 + b'"')
    assert caught.value.code == "action_too_large"
    with pytest.raises(ActionRefused, match="the message would have") as caught:
        client.act("score:" + '"' * 300, "a", b"1")
    assert caught.value.code == "action_too_large"
    with pytest.raises(ActionRefused, match="takes no actions") as caught:
        opened().act("score:1", "a", b"1")
    assert caught.value.code == ACTIONS_DISABLED


def test_what_waits_and_is_too_large_for_another_edge_is_refused() -> None:
    client = player()
    act(client, *"abcd")
    long = client.act("score:1", "long", b'"' + b"x" * 90 + b'"')
    assert len(acted(client)) == 4
    come_back(
        client, welcome=msgspec.structs.replace(PLAYER, limits=msgspec.structs.replace(ACTING, action_bytes_max=9))
    )
    assert list(outcomes(client)) == [long.kind]


def test_what_was_sent_and_is_too_large_for_another_edge_is_in_doubt() -> None:
    client = player()
    client.act("score:1", "long", b'"' + b"x" * 90 + b'"')
    act(client, "b")
    acted(client)
    small = msgspec.structs.replace(ACTING, message_bytes_max=120)
    come_back(client, welcome=msgspec.structs.replace(PLAYER, limits=small))
    assert acted(client) == [(2, "b", 0)]
    assert isinstance(outcomes(client)["long"], ActionInDoubt)
