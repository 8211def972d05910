"""The numbering of a session's actions, one decision at a time; `test_actions_machine` has the histories."""

from touchline_protocol.messages import Nack
from touchline_server.core.action_session import Numbering, Place

SPAN = 4


def refused(action_id: int) -> Nack:
    return Nack(id=action_id, code="muted", message="")


def test_ids_are_taken_in_order_and_known_afterwards() -> None:
    numbering = Numbering("ann", "s")
    assert numbering.place(2, None) is Place.AHEAD
    assert numbering.place(1, None) is Place.NEXT
    numbering.take(1)
    assert numbering.place(1, None) is Place.WAITING
    numbering.confirm(1)
    assert (numbering.place(1, None), numbering.in_log) == (Place.IN_LOG, 1)


def test_one_that_is_left_out_has_to_be_answered_for() -> None:
    numbering = Numbering("ann", "s")
    assert numbering.place(3, None) is Place.AHEAD
    assert numbering.place(3, 1) is Place.AHEAD
    assert numbering.place(3, 0) is Place.NEXT


def test_the_first_id_after_coming_back_says_where_the_client_is() -> None:
    numbering = Numbering("ann", "s")
    numbering.come_back()
    assert numbering.place(7, None) is Place.NEXT
    assert numbering.place(8, None) is Place.AHEAD, "7 was not taken yet"


def test_what_another_edge_answered_is_not_gone_back_to() -> None:
    numbering = Numbering("ann", "s")
    numbering.take(1)
    numbering.take(2)
    numbering.come_back()
    assert numbering.place(5, None) is Place.NEXT
    numbering.take(5)
    numbering.go_back(1)
    assert numbering.place(5, None) is Place.NEXT
    numbering.take(5)
    numbering.confirm(5)
    assert numbering.place(6, None) is Place.NEXT


def test_a_refused_id_stays_used_when_the_log_fails_before_it() -> None:
    numbering = Numbering("ann", "s")
    numbering.take(1)
    numbering.refuse(refused(2), SPAN)
    numbering.take(3)
    numbering.go_back(1)
    assert numbering.place(1, None) is Place.NEXT
    numbering.take(1)
    assert numbering.place(2, None) is Place.REFUSED
    assert numbering.place(3, 1) is Place.NEXT


def test_refusals_are_remembered_as_far_back_as_ids_can_wait() -> None:
    numbering = Numbering("ann", "s")
    numbering.take(1)
    for action_id in range(2, 20):
        if not numbering.is_full(action_id, SPAN):
            numbering.refuse(refused(action_id), SPAN)
    assert list(numbering.refused) == [2, 3, 4]
    numbering.confirm(1)
    for action_id in range(5, 10):
        numbering.refuse(refused(action_id), SPAN)
    assert list(numbering.refused) == [6, 7, 8, 9]
