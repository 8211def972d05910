"""A run's summary as tables."""

import re

from touchline_loadtest.report.page import render
from touchline_loadtest.report.results_tables import results
from touchline_loadtest.report.run import Run
from touchline_loadtest.runs.records import RunInfo, SummaryRow


def row(group: str, what: str, measured: float | str = 1.0, bound: str = "") -> SummaryRow:
    return SummaryRow(what, measured, "ms", bound, True if bound else None, group)


def info(*rows: SummaryRow, kind: str = "locust") -> RunInfo:
    return RunInfo("A run", kind, 0.0, 1.0, summary=rows)


def lines(page: str, table: str) -> list[str]:
    """The texts of a table's lines."""
    found = page.split(f'<table class="{table}">')[1].split("</table>", maxsplit=1)[0]
    return [" ".join(re.sub("<.*?>", " ", line).split()) for line in found.split("<tr")[1:]]


def test_groups_with_the_same_numbers_stand_below_each_other() -> None:
    found = results(
        info(row("event", "p50"), row("event", "p99"), row("ack", "p99"), row("ack", "p50"), row("ack", "lost"))
    )
    assert list(found.compared) == ["event", "ack"]
    assert [what for what, _ in found.columns] == ["p50", "p99", "lost"]
    assert found.listed == {}


def test_bounds_and_whatever_stands_alone_are_listed() -> None:
    found = results(
        info(
            *[row("event", "p50"), row("event", "p99")],
            *[row("ack", "p50"), row("ack", "p99", bound="<= 5")],
            *[row("joins", "p50"), row("joins", "joins/s")],
            row("", "failures", bound="= 0"),
        )
    )
    assert list(found.listed) == ["event", "ack", "joins", ""]
    assert found.compared == {}


def test_the_results_of_peers_are_a_table_with_a_line_for_each() -> None:
    page = render(
        Run(
            info(
                *[row("touchline", "p50", 3.0), row("touchline", "p99", 3000.0, bound="<= 4000")],
                row("nchan", "p50", 9.0),
                row("centrifugo", "not measured", "not installed"),
                kind="peers",
            )
        )
    )
    assert [re.sub("^.*> ", "", line) for line in lines(page, "compared")] == [
        "p50 ( ms ) p99 ( ms )",
        "touchline 3 3,000",
        "nchan 9",
        "centrifugo not measured: not installed",
    ]
