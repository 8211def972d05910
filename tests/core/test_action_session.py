"""An action session, one decision at a time; `test_actions_machine` has the histories."""

from touchline_protocol.messages import Nack
from touchline_server.core.players.action_session import ActionSession, IdStatus

WINDOW = 4


def refused(action_id: int) -> Nack:
    return Nack(id=action_id, code="muted", message="")


def test_ids_are_taken_in_order_and_known_afterwards() -> None:
    session = ActionSession[None]("ann", "s")
    assert session.status_of(2, None) is IdStatus.AHEAD
    assert session.status_of(1, None) is IdStatus.NEXT
    session.take(1)
    assert session.status_of(1, None) is IdStatus.WAITING
    session.confirm(1)
    assert (session.status_of(1, None), session.in_log) == (IdStatus.IN_LOG, 1)


def test_one_that_is_left_out_has_to_be_answered_for() -> None:
    session = ActionSession[None]("ann", "s")
    assert session.status_of(3, None) is IdStatus.AHEAD
    assert session.status_of(3, 1) is IdStatus.AHEAD
    assert session.status_of(3, 0) is IdStatus.NEXT


def test_the_first_id_after_coming_back_says_where_the_client_is() -> None:
    session = ActionSession[None]("ann", "s")
    session.come_back()
    assert session.status_of(7, None) is IdStatus.NEXT
    assert session.status_of(8, None) is IdStatus.AHEAD, "7 was not taken yet"


def test_what_another_edge_answered_is_not_gone_back_to() -> None:
    session = ActionSession[None]("ann", "s")
    session.take(1)
    session.take(2)
    session.come_back()
    assert session.status_of(5, None) is IdStatus.NEXT
    session.take(5)
    session.go_back(1)
    assert session.status_of(5, None) is IdStatus.NEXT
    session.take(5)
    session.confirm(5)
    assert session.status_of(6, None) is IdStatus.NEXT


def test_a_refused_id_stays_used_when_the_log_fails_before_it() -> None:
    session = ActionSession[None]("ann", "s")
    session.take(1)
    session.refuse(refused(2), WINDOW)
    session.take(3)
    session.go_back(1)
    assert session.status_of(1, None) is IdStatus.NEXT
    session.take(1)
    assert session.status_of(2, None) is IdStatus.REFUSED
    assert session.status_of(3, 1) is IdStatus.NEXT


def test_refusals_are_remembered_as_far_back_as_ids_can_wait() -> None:
    session = ActionSession[None]("ann", "s")
    session.take(1)
    for action_id in range(2, 20):
        if not session.is_full(action_id, WINDOW):
            session.refuse(refused(action_id), WINDOW)
    assert list(session.refused) == [2, 3, 4]
    session.confirm(1)
    for action_id in range(5, 10):
        session.refuse(refused(action_id), WINDOW)
    assert list(session.refused) == [6, 7, 8, 9]
