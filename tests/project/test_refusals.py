"""docs/refusals.md has a row for every code, status, exit code and line of the log that there is, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchline_cheatwatch import exit_codes as cheatwatch_exits
from touchline_protocol import codes
from touchline_server.cli import exit_codes
from touchline_server.control.connection import NOT_HTTP
from touchline_server.control.openapi import STREAM_REFUSALS
from touchline_server.control.refusals import REFUSALS
from touchline_server.edge.requests.opening import ADVICE
from touchline_server.server_log.rendering import LIBRARY_MESSAGE, OWN_MESSAGE
from touchline_server.web.policy import HOST_REFUSED, ORIGIN_REFUSED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "refusals.md").read_text("utf-8")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
ALIASES = {"log", "_own_line"}
"""What calls that write a line are called besides ``logger.<level>``."""


def rows(title: str) -> list[list[str]]:
    """The cells of the table in a section, without its head."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def lines_of_the_source() -> set[str]:
    """The names of the lines that the server and the demo write with structlog."""
    found = {LIBRARY_MESSAGE, OWN_MESSAGE}
    for folder in ("server", "clients/demo"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            if "import structlog" in text:
                found.update(line_names(ast.parse(text)))
    return found


def line_names(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and node.args and is_line(node.func):
            name = node.args[0]
            assert isinstance(name, ast.Constant), f"line {node.lineno}: the name of a line is not a constant"
            yield str(name.value)


def is_line(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        of_logger = isinstance(function.value, ast.Name) and function.value.id == "logger" and function.attr in LEVELS
        return of_logger or function.attr in ALIASES
    return isinstance(function, ast.Name) and function.id in ALIASES


def test_every_line_of_the_log_is_listed() -> None:
    listed = [name for row in rows("The lines") for name in names(row[0])]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == lines_of_the_source()
    assert [name for name in listed if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []


def test_every_close_code_is_listed() -> None:
    listed = [(int(row[0]), names(row[1])[0]) for row in rows("Close codes")]
    assert listed == [(close.code, close.name) for close in codes.CLOSES.values()]


@pytest.mark.parametrize(("title", "table"), [("Errors", codes.ERRORS), ("Nacks", codes.NACKS)])
def test_every_error_and_nack_is_listed(title: str, table: dict[str, codes.ErrorCode]) -> None:
    assert [names(row[0])[0] for row in rows(title)] == list(table)


def test_every_refusal_of_the_edge_is_listed() -> None:
    listed = {(int(row[0]), names(row[1])[0]) for row in rows("HTTP of the edge")}
    of_streams = {(status, code) for status, each in STREAM_REFUSALS.items() for code in each}
    tokens = {(status, code) for status, code in of_streams if code.startswith("token_")}
    of_websockets = {(status.value, status.name.lower()) for status in ADVICE}
    own = {(404, "not_found"), (503, codes.UNAVAILABLE.code), (403, ORIGIN_REFUSED), (403, HOST_REFUSED)}
    assert listed - tokens == (of_streams - tokens) | of_websockets | own
    assert tokens & listed, "one row stands for all codes of tokens"


def test_every_refusal_of_the_control_plane_is_listed() -> None:
    listed = [(int(row[0]), names(row[1])[0]) for row in rows("HTTP of the control plane")]
    assert listed == [*((int(refusal.status), refusal.code) for refusal in REFUSALS), (400, NOT_HTTP)]


def texts_in(node: ast.AST) -> Iterator[str]:
    """The texts in a piece of code, with what is filled in left out."""
    for each in ast.walk(node):
        if isinstance(each, ast.JoinedStr):
            yield "\0".join(str(part.value) for part in each.values if isinstance(part, ast.Constant))
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def access_modules() -> list[ast.Module]:
    folder = ROOT / "protocol" / "touchline_kafka"
    paths = [*(folder / "access").glob("*.py"), folder / "errors.py", folder / "error_codes.py"]
    return [ast.parse(path.read_text("utf-8")) for path in paths]


def test_every_text_about_a_login_at_kafka_is_one_that_the_source_has() -> None:
    known = [text for module in access_modules() for text in texts_in(module)]
    listed = [text for row in rows("What Kafka refuses") for text in re.findall(r"`([^`]+)`", row[0])]
    assert [text for text in listed if not any(text in each for each in known)] == []


def test_every_error_and_line_about_logins_at_kafka_is_listed() -> None:
    listed = [text for row in rows("What Kafka refuses") for text in re.findall(r"`([^`]+)`", row[0])]
    said = [
        list(texts_in(node))
        for module in access_modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."))
    ]
    said = [texts for texts in said if texts]
    assert len(said) > 15
    assert [texts for texts in said if not any(one in text for one in listed for text in texts)] == []


def test_every_exit_code_is_listed() -> None:
    listed = {(names(row[0])[0], int(row[1])) for row in rows("Exit codes")}
    own = {value for value in vars(exit_codes).values() if type(value) is int}
    of_cheatwatch = {value for value in vars(cheatwatch_exits).values() if type(value) is int}
    everybody = {0, 1, 130}  # of Python and of shells
    assert listed == {
        *(("touchline", code) for code in own | everybody),
        *(("cheatwatch", code) for code in of_cheatwatch | everybody),
    }


@pytest.mark.parametrize(
    ("title", "line_column"),
    [("Close codes", 2), ("Errors", 1), ("Nacks", 1), ("HTTP of the edge", 2), ("HTTP of the control plane", 2)],
)
def test_every_row_names_a_line_that_exists_and_a_cure(title: str, line_column: int) -> None:
    known = lines_of_the_source()
    for row in rows(title):
        lines = names(row[line_column])
        assert lines, row
        assert set(lines) <= known, row
        assert row[-1], row
