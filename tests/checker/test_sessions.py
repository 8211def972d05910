"""Sessions that went on at another edge are told from those that began there."""

import pytest

from touchline_loadtest.checks.actions import UNANSWERED, Acted
from touchline_loadtest.checks.closes import Opening
from touchline_loadtest.checks.sessions import sessions_that_moved

OPENINGS = [Opening("ada", 10, "edge-1"), Opening("ada", 20, "edge-2"), Opening("bob", 0, "edge-2")]


def acted(at_ms: float, session: str, code: str = "", player: str = "ada") -> Acted:
    return Acted(player, int(at_ms), code, at_ms, session, 1)


@pytest.mark.parametrize(
    ("actions", "moved"),
    [
        ([acted(12, "s"), acted(22, "s")], 1),
        ([acted(12, "s"), acted(13, "s")], 0),
        ([acted(12, "s"), acted(22, "t")], 0),
        ([acted(12, "s"), acted(22, "", UNANSWERED)], 0),
        ([acted(12, "s"), acted(22, "s", player="bob")], 0),
        ([acted(5, "s"), acted(22, "s")], 0),
    ],
    ids=["moved", "stayed", "another session", "unanswered", "another player", "before any connection"],
)
def test_sessions_that_moved_are_counted(actions: list[Acted], moved: int) -> None:
    assert sessions_that_moved(actions, OPENINGS) == moved
