"""The tables of metrics: names as Prometheus wants them, and docs/metrics.md, which has a row for each and no other."""

import re
from pathlib import Path

import pytest

from touchline_server.metrics.keeper_table import ALL_KEEPER_METRICS
from touchline_server.metrics.metric import Kind
from touchline_server.metrics.server_table import SERVER_METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
TABLES = {"touchline serve": SERVER_METRICS, "touchline keeper": ALL_KEEPER_METRICS}


def section(title: str) -> str:
    """The text of a section of the page."""
    return PAGE.partition(f"\n## `{title}`\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of the table in a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_page_has_every_metric_of_the_server_and_no_other() -> None:
    assert [row[:4] for row in rows("touchline serve")] == [
        [f"`{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels) or "-", one.meaning]
        for one in SERVER_METRICS
    ]


def test_the_page_has_every_metric_of_the_keeper_and_no_other() -> None:
    own = [row[:4] for row in rows("touchline keeper")]
    shared = re.findall(
        r"`(\w+)`", section("touchline keeper").partition("with the same meaning:")[2].partition("\n\n")[0]
    )
    known = {one.name for one in SERVER_METRICS}
    assert sorted(shared) == sorted(one.name for one in ALL_KEEPER_METRICS if one.name in known)
    assert own == [
        [f"`{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels) or "-", one.meaning]
        for one in ALL_KEEPER_METRICS
        if one.name not in known
    ]


@pytest.mark.parametrize("title", TABLES)
def test_every_metric_says_what_to_look_at(title: str) -> None:
    assert [row[0] for row in rows(title) if len(row) != 5 or len(row[4]) < 20] == []


@pytest.mark.parametrize("title", TABLES)
def test_names_follow_the_conventions(title: str) -> None:
    table = TABLES[title]
    names = [one.name for one in table]
    assert len(set(names)) == len(names)
    for one in table:
        assert re.fullmatch(r"(touchline|process)(_[a-z]+)+", one.name)
        assert (one.kind is Kind.COUNTER) == one.name.endswith("_total")
        assert bool(one.bounds) == (one.kind is Kind.HISTOGRAM)
        assert list(one.bounds) == sorted(one.bounds)
        assert not {"le", "quantile", "job", "instance"} & set(one.labels)
