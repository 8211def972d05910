"""When a problem's begin and end are logged, and with which times."""

from typing import Any

import pytest

from support.log_lines import log_lines
from touchline_server.server_log.problem_log import AGAIN_S, ProblemLog


def lines_of(caplog: pytest.LogCaptureFixture, problems_at: dict[float, dict[str, str]]) -> list[dict[str, Any]]:
    """The lines about problems that are looked at at these times."""
    caplog.set_level("INFO", "touchline")
    now_s = 0.0
    log = ProblemLog(lambda: now_s)
    for now_s, problems in problems_at.items():  # noqa: B007 - the log reads it
        log.report(problems)
    return [dict(line) for line in log_lines(caplog)]


def test_a_problem_that_returns_soon_is_logged_late_with_its_true_times(caplog: pytest.LogCaptureFixture) -> None:
    kafka = {"kafka": "away"}
    lines = lines_of(caplog, {0.0: kafka, 1.0: {}, 2.0: kafka, AGAIN_S: kafka, AGAIN_S + 1: {}})
    shown = [(line["event"], line.get("ago_s", line.get("lasted_s"))) for line in lines]
    assert shown == [
        ("problem_began", 0.0),
        ("problem_ended", 1.0),
        ("problem_began", AGAIN_S - 2),
        ("problem_ended", AGAIN_S - 1),
    ]


def test_a_problem_that_comes_and_goes_writes_no_line_each_time(caplog: pytest.LogCaptureFixture) -> None:
    lines = lines_of(caplog, {second / 2: {"kafka": "away"} if second % 2 == 0 else {} for second in range(16)})
    assert [line["event"] for line in lines] == ["problem_began", "problem_ended"]
