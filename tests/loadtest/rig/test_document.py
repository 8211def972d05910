"""A load test's result as a section of a document."""

from touchline_loadtest.rig.results.document import section
from touchline_loadtest.runs.records import RunInfo, SummaryRow

INFO = RunInfo(
    "kick-off",
    "locust",
    0.0,
    versions={"touchline": "1.2.3"},
    machine={"cores": 2, "cpu": "A CPU", "system": "Linux 6"},
    settings={"users": 2000},
)
ROWS = [
    SummaryRow("number", 12345, group="event"),
    SummaryRow("p99", 12.345, "ms", group="event"),
    SummaryRow("number", 7, group="connect"),
    SummaryRow("p99", 1500.0, "ms", group="connect"),
    SummaryRow("breaches", 0, bound="0", met=True),
    SummaryRow("event p99", 70.0, "ms", bound="<= 50", met=False),
]


def test_each_measured_thing_has_one_line_and_each_requirement_another() -> None:
    lines = section(INFO, ROWS, {}).splitlines()
    assert "| measured | number | p99 |" in lines
    assert "| event | 12,345 | 12.3 ms |" in lines
    assert "| connect | 7 | 1,500 ms |" in lines
    assert "| breaches | 0 | 0 | yes |" in lines
    assert "| event p99 | <= 50 | 70 ms | **no** |" in lines


def test_machine_versions_and_settings_are_named() -> None:
    first, *_ = section(INFO, ROWS, {}).splitlines()
    assert all(part in first for part in ("2 cores", "A CPU", "touchline 1.2.3", "users: 2000"))


def test_only_plots_that_were_drawn_are_shown() -> None:
    text = section(INFO, ROWS, {"cpu": "kick-off/cpu.png", "bounds": "kick-off/bounds.png"})
    assert "(kick-off/cpu.png)" in text
    assert text.count("![") == 1
