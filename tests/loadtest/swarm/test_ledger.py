"""What counting can prove: the bytes of a counter against the ledgers of its rooms."""

import pytest

from touchline_loadtest.swarm.ledger import BEAT_BYTES, SLACK_NS, Counted, Ledger, check_counted

SECOND_NS = 1_000_000_000


def ledger(*sizes: int, step: int = 1) -> Ledger:
    """An event every ten seconds with offsets from 10 on, of these sizes."""
    made = Ledger([], [], [])
    for number, size in enumerate(sizes):
        made.add(10 + number * step, size, number * 10 * SECOND_NS)
    return made


LEDGERS = {"match:1": ledger(100, 200, 300, 400), "match:2": ledger(50, 60, 70, 80)}


def counted(size_bytes: int, joined: dict[str, int], last: dict[str, int], at_s: float = 30, beats: int = 0) -> Counted:
    at_ns = int(at_s * SECOND_NS)
    return Counted(size_bytes, joined, last, at_ns, at_ns, beats)


def test_the_bytes_between_two_positions_have_to_match() -> None:
    account = check_counted(counted(500, {"match:1": 10}, {"match:1": 12}), LEDGERS)
    assert (account.wrong, account.undecided, account.events) == ("", False, 2)


@pytest.mark.parametrize("size_bytes", [300, 499, 501, 700, 500 - BEAT_BYTES])
def test_other_bytes_do_not(size_bytes: int) -> None:
    assert check_counted(counted(size_bytes, {"match:1": 10}, {"match:1": 12}, beats=3), LEDGERS).wrong


def test_an_offset_that_only_a_counter_received_is_wrong() -> None:
    assert check_counted(counted(500, {"match:1": 10}, {"match:1": 99}), LEDGERS).wrong


def test_a_client_may_join_beyond_the_newest_event_and_before_the_first() -> None:
    assert not check_counted(counted(0, {"match:1": 13}, {}, at_s=100), LEDGERS).wrong
    assert check_counted(counted(1000, {"match:1": -1}, {"match:1": 13}), LEDGERS).events == 4


def test_several_rooms_add_up() -> None:
    joined = {"match:1": 10, "match:2": 11}
    account = check_counted(counted(200 + 70, joined, {"match:1": 11, "match:2": 12}), LEDGERS)
    assert (account.wrong, account.events) == ("", 2)


def test_a_room_that_was_quiet_at_the_end_may_have_ended_at_an_event_of_that_time() -> None:
    joined = {"match:1": 10, "match:2": 9}
    for second_room in (50 + 60, 50 + 60 + 70):  # before and after the event that arrived at 20 s
        assert not check_counted(counted(200 + second_room, joined, {"match:1": 11}, at_s=20), LEDGERS).wrong
    assert check_counted(counted(200 + 50, joined, {"match:1": 11}, at_s=20), LEDGERS).wrong
    assert SLACK_NS < 10 * SECOND_NS


def test_heartbeats_are_a_surplus_but_not_any_number_of_them() -> None:
    for beats, wrong in ((0, False), (2, False), (3, True)):
        account = check_counted(counted(500 + beats * BEAT_BYTES, {"match:1": 10}, {"match:1": 12}, beats=2), LEDGERS)
        assert bool(account.wrong) is wrong, beats


def test_too_many_quiet_rooms_cannot_be_decided() -> None:
    busy = {f"match:{number}": ledger(*range(100, 400)) for number in range(5)}
    at_once = {room: Ledger(each.offsets, each.ends, [0] * 300) for room, each in busy.items()}
    account = check_counted(counted(1, dict.fromkeys(busy, 10), {}, at_s=0), at_once)
    assert account.undecided
    assert not account.wrong


def test_the_first_of_the_sample_to_receive_an_event_decides() -> None:
    made = ledger(100, 200)
    made.add(11, 999, 0)
    made.add(10, 999, 0)
    assert made == ledger(100, 200)
