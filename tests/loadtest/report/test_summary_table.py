"""The result of a load test in a terminal: each number stands under its own heading."""

from io import StringIO

from rich.console import Console

from touchline_loadtest.rig.results.summary_table import show_summary
from touchline_loadtest.runs.records import SummaryRow

ROWS = [
    SummaryRow("number", 335, group="connect"),
    SummaryRow("p50", 12, "ms", group="connect"),
    SummaryRow("number", 17, group="return"),
    SummaryRow("p50", 55, "ms", group="return"),
    SummaryRow("clients that were sent away", 22, group="drain 1: edge-1"),
    SummaryRow("clients sent away twice", 3, "", "0", False, "drain 1: edge-1"),
    SummaryRow("failures", 0, "", "0", True),
]


def test_numbers_stand_under_their_headings_and_requirements_in_one_table() -> None:
    output = StringIO()
    show_summary(ROWS, Console(file=output, width=120))
    lines = [line.replace("┃", "│").split("│") for line in output.getvalue().splitlines()]
    cells = [[cell.strip() for cell in line[1:-1]] for line in lines]
    assert ["measured", "number", "p50"] in cells
    assert ["return", "17", "55 ms"] in cells
    assert ["drain 1: edge-1", "22"] in cells
    assert ["drain 1: edge-1: clients sent away twice", "0", "3", "NO"] in cells
    assert ["failures", "0", "0", "yes"] in cells
