"""Text in files: the byte-order mark of UTF-8 is skipped, and any other encoding is named."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_cheatwatch.ruleset import load_rule_set
from touchline_demo.matches.statsbomb import read_match
from touchline_protocol.errors import OperatorError
from touchline_protocol.utf8 import NotUtf8, text_of
from touchline_server.config.loading import load_settings
from touchline_server.config.tables import FeedSettings
from touchline_server.node.action_schemas import ActionSchemas

MATCH = (Path(__file__).parent.parent / "matches" / "made_up_match.json").read_text(encoding="utf-8")


def _load_schema(path: Path) -> object:
    return ActionSchemas({"match": FeedSettings(topic="match-events", action_schemas={"tap": path})})


READERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "configuration": (load_settings, 'edge_name = "café"\n[auth]\nleeway_s = 3.0\n'),
    "rule set": (load_rule_set, "# café\n[policy]\nrepeat_s = 60.0\n"),
    "schema": (_load_schema, json.dumps({"title": "café"}, ensure_ascii=False, indent=1)),
    "match": (read_match, MATCH),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> tuple[Callable[[Path], object], str]:
    return READERS[request.param]


def test_a_file_may_have_a_byte_order_mark_and_lines_of_windows(
    reader: tuple[Callable[[Path], object], str], tmp_path: Path
) -> None:
    read, text = reader
    file = tmp_path / "file"
    for written in (text.encode(), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode("utf-8-sig")):
        file.write_bytes(written)
        read(file)


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32"), ("latin-1", "0xe9")],
)
def test_another_encoding_is_named_with_the_file(
    reader: tuple[Callable[[Path], object], str], encoding: str, named: str, tmp_path: Path
) -> None:
    read, text = reader
    file = tmp_path / "file.of.mine"
    file.write_bytes((text + " é").encode(encoding) if encoding == "latin-1" else text.encode(encoding))
    with pytest.raises(OperatorError) as caught:
        read(file)
    assert named in str(caught.value)
    assert "file.of.mine" in str(caught.value)


def test_the_place_of_a_byte_that_is_not_utf8_is_named() -> None:
    with pytest.raises(NotUtf8, match="line 3, column 3"):
        text_of("a\nb\nété".encode()[:-2] + b"\xe9")
    assert tomllib.loads(text_of(b"\xef\xbb\xbfa = 1")) == {"a": 1}


@given(st.text())
def test_text_comes_back_as_it_was_written(text: str) -> None:
    if "\0" not in text[:4]:
        assert text_of(text.encode("utf-8-sig")) == text
