"""Reports name everything again within five minutes, a bounded part at a time, and no more than there is."""

from collections import Counter

import pytest

from touchline_protocol.codecs import JSON
from touchline_protocol.messages import RoomRequest
from touchline_server.core.clocks import LoopMs
from touchline_server.core.presence.board import PresenceBoard, PresenceLimits
from touchline_server.core.presence.port import Answer, InRoom, Report
from touchline_server.core.presence.verification import ENTRIES_MAX, ROUND_MS

EVERY_MS = 1_000
REPORTS = ROUND_MS // EVERY_MS


def board_of(rooms: int, players: int) -> PresenceBoard[object]:
    """A worker with that many rooms, each with that many players."""
    board: PresenceBoard[object] = PresenceBoard(PresenceLimits(members_max=10, every_ms=EVERY_MS, grace_ms=5_000))
    for room in range(rooms):
        for player in range(players):
            board.join(object(), JSON, RoomRequest(room=f"match:{room}"), f"p{player}")
    return board


def reports(board: PresenceBoard[object], count: int) -> list[Report]:
    found = []
    for number in range(count):
        found.append(board.take_report(LoopMs(number * EVERY_MS)))
        board.answered(Answer({}, {}), LoopMs(number * EVERY_MS))
    return found


@pytest.mark.parametrize(("rooms", "players"), [(0, 0), (1, 1), (7, 3), (2, 1_000), (1_000, 2)])
def test_everything_is_named_once_within_five_minutes(rooms: int, players: int) -> None:
    board = board_of(rooms, players)
    first, *rest = reports(board, REPORTS + 1)
    assert first.is_whole
    viewers, members = Counter[str](), Counter[InRoom]()
    for report in rest:
        assert not report.is_whole
        assert {room: first.viewers[room] for room in report.viewers} == report.viewers
        viewers.update(report.viewers.keys())
        members.update(report.players.keys())
    assert viewers.keys() == first.viewers.keys()
    assert members.keys() == first.players.keys()
    entries = rooms + rooms * players
    assert max(len(report.viewers) + len(report.players) for report in rest) <= 1 + entries // REPORTS


def test_a_report_names_no_more_than_a_store_can_take_at_once() -> None:
    rooms = ENTRIES_MAX * REPORTS
    board = board_of(rooms, 1)
    _, second, third = reports(board, 3)
    for report in (second, third):
        assert len(report.viewers) + len(report.players) == ENTRIES_MAX
    assert not second.players.keys() & third.players.keys()


def test_what_has_changed_since_is_named_as_it_is_now() -> None:
    board = board_of(3, 2)
    reports(board, 2)
    member = object()
    request = RoomRequest(room="match:1")
    board.join(member, JSON, request, "new")
    board.leave(member, JSON, request, "new", is_lost=False)
    board.join(object(), JSON, RoomRequest(room="match:9"), None)
    named: dict[str, int] = {}
    for report in reports(board, 3 * REPORTS):
        named |= report.viewers
        assert report.players.get(InRoom("match:1", "new"), 0) == 0
    assert named == {"match:0": 2, "match:1": 2, "match:2": 2, "match:9": 1}
