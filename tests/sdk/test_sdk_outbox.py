"""Actions in a session, one decision at a time: which id, what is sent again and when, what an answer means."""

import msgspec
import pytest

from sdk.sessions import ACTING, PLAYER, act, come_back, open_session, outcomes, player, receive, sent, sent_actions
from touchline.errors import ActionInDoubt, ActionRefused, ActionsFull
from touchline.session.outbox import ACTIONS_DISABLED, RETRY_S_MAX, RETRY_SPREAD, Outbox
from touchline.session.pending_action import Receipt
from touchline_protocol.codecs import JSON
from touchline_protocol.codes import NACKS, Recovery
from touchline_protocol.limits import ACTION_RESEND_S_MAX
from touchline_protocol.messages import Ack, Action, Hello, Nack


def nack(number: int, code: str, retry_ms: int | None = None) -> Nack:
    return Nack(id=number, code=code, message="no", retry_ms=retry_ms)


def test_an_action_is_sent_unchanged_and_acknowledged_with_its_id() -> None:
    client = player()
    client.act("match:1", "tap", b'{"x":1.5}')
    (message,) = sent(client)
    assert message == Action(id=1, room="match:1", kind="tap", data=msgspec.Raw(b'{"x":1.5}'))
    receive(client, Ack(id=1))
    assert outcomes(client) == {"tap": Receipt("s", 1)}


def test_no_more_are_sent_than_the_server_allows_counted_from_the_oldest_unanswered_one() -> None:
    client = player()
    act(client, *"abcdef")
    assert [kind for _, kind, _ in sent_actions(client)] == list("abcd")
    receive(client, Ack(id=2), Ack(id=3))
    assert sent_actions(client) == []
    receive(client, Ack(id=1))
    assert sent_actions(client) == [(5, "e", None), (6, "f", None)]


def test_only_actions_max_may_wait() -> None:
    client = player(actions_max=5)
    act(client, *"abc")
    sent_actions(client)
    act(client, *"de")
    with pytest.raises(ActionsFull, match="5"):
        act(client, "f")
    receive(client, Ack(id=1))
    act(client, "f")


@pytest.mark.parametrize("code", NACKS)
def test_each_nack_is_acted_on_as_the_table_says(code: str) -> None:
    client = player()
    act(client, "a", "b")
    sent_actions(client)
    receive(client, nack(1, code))
    if NACKS[code].recovery is Recovery.GIVE_UP:
        refused = outcomes(client)["a"]
        assert isinstance(refused, ActionRefused)
        assert (refused.code, sent_actions(client)) == (code, [])
    else:
        assert (outcomes(client), sent_actions(client)) == ({}, [])
        client.tick(1)  # as long as the backoff says, since the server did not
        assert sent_actions(client) == [(1, "a", None)]


def test_after_later_an_action_and_all_after_it_are_sent_again_once_and_in_order() -> None:
    client = player()
    act(client, *"abcd")
    sent_actions(client)
    receive(client, Ack(id=1), nack(2, "rate_limited", 500), nack(3, "id_gap", 9000), nack(4, "id_gap", 9000))
    assert (sent_actions(client), client.deadline) == ([], 0.5)
    client.tick(0.49)
    assert sent_actions(client) == []
    client.tick(0.5)
    assert sent_actions(client) == [(2, "b", None)], "only one, because it may still be too early"
    receive(client, Ack(id=2))
    assert sent_actions(client) == [(3, "c", None), (4, "d", None)]
    receive(client, Ack(id=3), Ack(id=4))
    assert list(outcomes(client)) == list("abcd")


def test_while_the_answer_is_later_one_action_is_sent_at_a_time_and_then_twice_as_many_with_each_answer() -> None:
    client = player(actions_window=32)
    act(client, *"abcdefghij")
    assert len(sent_actions(client)) == 10
    for now_s in range(3):
        receive(client, nack(1, "log_unavailable", 1000), *(nack(n, "id_gap", 1000) for n in range(2, 11)), now_s=now_s)
        client.tick(now_s + 1)
        assert sent_actions(client) == [(1, "a", None)]
    receive(client, Ack(id=1))
    assert [number for number, _, _ in sent_actions(client)] == [2, 3]
    receive(client, Ack(id=2), nack(3, "muted"))
    assert [number for number, _, _ in sent_actions(client)] == [4, 5, 6, 7, 8, 9, 10]


def test_clients_that_were_refused_together_come_back_one_after_the_other() -> None:
    deadlines = set()
    for spread in (0.0, 0.5, 1.0):
        outbox = Outbox(JSON, 10)
        outbox.welcome(PLAYER)
        outbox.submit("score:1", "tap", b"1")
        outbox.take_output(0)
        outbox.nack(nack(1, "log_unavailable", 1000), 0, 1, spread)
        deadlines.add(min(outbox.deadlines))
    assert deadlines == {1, 1 + RETRY_SPREAD / 2, 1 + RETRY_SPREAD}


def test_a_gap_goes_back_to_the_first_that_may_be_missing() -> None:
    client = player()
    act(client, *"abc")
    sent_actions(client)
    receive(client, nack(3, "id_gap", 0))
    client.tick(0)
    assert sent_actions(client) == [(1, "a", None)]
    receive(client, Ack(id=1))
    assert sent_actions(client) == [(2, "b", None), (3, "c", None)]


def test_a_pause_is_bounded_and_ends_with_the_connection() -> None:
    client = player()
    act(client, "a")
    sent_actions(client)
    receive(client, nack(1, "log_unavailable", 10**9))
    assert client.deadline == RETRY_S_MAX
    come_back(client, 1)
    assert sent_actions(client) == [(1, "a", None)]


def test_an_unknown_code_is_a_refusal_unless_the_server_says_when_to_retry() -> None:
    client = player()
    act(client, "a", "b")
    sent_actions(client)
    receive(client, nack(1, "too_funny"), nack(2, "not_tuesday", 100))
    assert list(outcomes(client)) == ["a"]
    client.tick(0.1)
    assert sent_actions(client) == [(2, "b", 0)]


def test_after_a_reconnect_all_unanswered_are_sent_again_under_the_same_session() -> None:
    client = player()
    act(client, *"abc")
    sent_actions(client)
    receive(client, Ack(id=1))
    client.disconnected(0, 1006, "")
    act(client, "d")
    client.tick(1)
    client.connected(1)
    assert sent(client) == [Hello(session="s", agent="test")]
    receive(client, PLAYER, now_s=1)
    # Nothing before the first is missing, whatever this edge knows about it.
    assert sent_actions(client) == [(2, "b", 0), (3, "c", None), (4, "d", None)]


def test_ids_refused_between_two_that_are_sent_again_are_declared_as_not_missing() -> None:
    client = player()
    act(client, *"abcd")
    sent_actions(client)
    receive(client, nack(2, "action_invalid"), nack(3, "muted"))
    come_back(client)
    assert sent_actions(client) == [(1, "a", None), (4, "d", 1)]


def test_a_duplicate_is_an_acknowledgement_if_it_was_sent_twice_and_an_error_if_not() -> None:
    client = player()
    act(client, "a")
    sent_actions(client)
    come_back(client)
    act(client, "b")
    sent_actions(client)
    receive(client, nack(1, "duplicate_id"), nack(2, "duplicate_id"))
    results = outcomes(client)
    assert results["a"] == Receipt("s", 1)
    assert isinstance(results["b"], ActionRefused)


def test_a_refusal_of_an_action_that_may_have_been_done_before_leaves_it_in_doubt() -> None:
    client = player()
    act(client, *"ab")
    sent_actions(client)
    come_back(client)
    act(client, "c")
    sent_actions(client)
    receive(client, nack(1, "muted"), nack(2, "log_unavailable", 0), nack(3, "id_gap", 0))
    client.tick(8)
    sent_actions(client)
    receive(client, nack(2, "muted"), nack(3, "muted"), now_s=8)
    results = outcomes(client)
    assert isinstance(results["a"], ActionInDoubt), "its answer was lost with the first connection"
    assert isinstance(results["b"], ActionInDoubt), "the log may have taken it"
    assert isinstance(results["c"], ActionRefused), "it was certainly not done"


def test_an_action_withdrawn_before_it_is_sent_leaves_no_hole_and_after_it_no_outcome() -> None:
    client = player()
    first, second, _ = act(client, *"abc")
    client.withdraw(second)
    assert sent_actions(client) == [(1, "a", None), (2, "c", None)]
    client.withdraw(first)
    come_back(client)
    assert sent_actions(client) == [(1, "a", None), (2, "c", None)]
    receive(client, Ack(id=1), Ack(id=2))
    assert list(outcomes(client)) == ["c"]


def test_an_action_without_an_answer_in_time_is_in_doubt_and_the_others_go_on() -> None:
    client = player()
    act(client, "a")
    sent_actions(client)
    client.tick(100)
    act(client, "b")
    sent_actions(client)
    receive(client, nack(1, "log_unavailable", 1000), now_s=ACTION_RESEND_S_MAX - 0.5)
    assert client.deadline == ACTION_RESEND_S_MAX
    client.tick(ACTION_RESEND_S_MAX)
    results = outcomes(client)
    assert isinstance(results["a"], ActionInDoubt)
    assert list(results) == ["a"]
    client.tick(ACTION_RESEND_S_MAX + 0.5)
    assert sent_actions(client) == [(2, "b", 0)]
    receive(client, Ack(id=1), Ack(id=2))
    assert outcomes(client) == {"b": Receipt("s", 2)}


def test_an_action_becomes_in_doubt_without_a_connection_too() -> None:
    client = player()
    act(client, "a")
    sent_actions(client)
    client.disconnected(ACTION_RESEND_S_MAX - 0.5, 1006, "")
    assert client.deadline == ACTION_RESEND_S_MAX
    client.tick(ACTION_RESEND_S_MAX)
    assert isinstance(outcomes(client)["a"], ActionInDoubt)


@pytest.mark.parametrize("change", [{"session": "another"}, {"player": "eve"}])
def test_when_the_session_ends_what_was_sent_is_in_doubt_and_the_rest_goes_on(change: dict[str, str]) -> None:
    client = player()
    act(client, *"abcde")
    sent_actions(client)
    come_back(client, welcome=msgspec.structs.replace(PLAYER, **change))
    results = outcomes(client)
    assert [type(outcome) for outcome in results.values()] == [ActionInDoubt] * 4
    # An id is never used twice in a session, although it belongs to another player now.
    assert sent_actions(client) == ([(1, "e", None)] if "session" in change else [(5, "e", 0)])


def test_an_action_that_the_server_would_not_take_is_refused_before_it_is_sent() -> None:
    client = player()
    with pytest.raises(ActionRefused, match=r"102.*100") as caught:
        client.act("score:1", "a", b'"' + b"x" * 100 + b'"')
    assert caught.value.code == "action_too_large"
    with pytest.raises(ActionRefused, match="600") as caught:
        client.act("score:" + '"' * 300, "a", b"1")
    assert caught.value.code == "action_too_large"
    with pytest.raises(ActionRefused) as caught:
        open_session().act("score:1", "a", b"1")
    assert caught.value.code == ACTIONS_DISABLED


def test_a_waiting_action_that_is_too_large_for_another_edge_is_refused() -> None:
    client = player()
    act(client, *"abcd")
    long = client.act("score:1", "long", b'"' + b"x" * 90 + b'"')
    assert len(sent_actions(client)) == 4
    come_back(
        client, welcome=msgspec.structs.replace(PLAYER, limits=msgspec.structs.replace(ACTING, action_bytes_max=9))
    )
    assert list(outcomes(client)) == [long.kind]


def test_a_sent_action_that_is_too_large_for_another_edge_is_in_doubt() -> None:
    client = player()
    client.act("score:1", "long", b'"' + b"x" * 90 + b'"')
    act(client, "b")
    sent_actions(client)
    small = msgspec.structs.replace(ACTING, message_bytes_max=120)
    come_back(client, welcome=msgspec.structs.replace(PLAYER, limits=small))
    assert sent_actions(client) == [(2, "b", 0)]
    assert isinstance(outcomes(client)["long"], ActionInDoubt)
