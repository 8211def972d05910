"""Records of presence: their test vectors, their JSON schema, and the reader that docs/presence.md shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from support.vector_bytes import bytes_of
from touchline_protocol.errors import BadRecord
from touchline_protocol.presence.records import decode_presence, encode_presence

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "protocol" / "vectors" / "presence-records.json").read_text("utf-8"))
SCHEMA = Draft202012Validator(json.loads((ROOT / "protocol" / "presence-record.schema.json").read_text("utf-8")))
DOCUMENT = (ROOT / "docs" / "presence.md").read_text("utf-8")


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: vector["about"])
def test_a_record_is_the_presence_of_its_vector_or_bad_for_its_reason(vector: dict[str, Any]) -> None:
    value = bytes_of(vector["value"])
    if "reason" in vector:
        with pytest.raises(BadRecord) as caught:
            decode_presence(value)
        assert caught.value.reason == vector["reason"]
        return
    record = decode_presence(value)
    assert (None if record is None else json.loads(encode_presence(record))) == vector["record"]
    if "headers" in vector:
        assert record is not None
        assert encode_presence(record) == value
        assert record.room.encode() == bytes_of(vector["key"])
        assert vector["headers"] == [["kind", {"text": record.kind}]]
        SCHEMA.validate(vector["record"])


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: vector["about"])
def test_the_schema_of_presence_refuses_what_readers_refuse(vector: dict[str, Any]) -> None:
    value = bytes_of(vector["value"])
    try:
        document = json.loads(value or b"")
    except ValueError:
        assert "reason" in vector
        return
    assert SCHEMA.is_valid(document) == (vector.get("record") is not None)


@pytest.mark.parametrize("vector", VECTORS["sequences"], ids=lambda vector: vector["about"])
def test_the_documented_reader_of_presence_knows_who_is_where(vector: dict[str, Any]) -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    rooms = names["Rooms"](room_state_s=300)
    for record in vector["records"]:
        rooms.read(json.dumps(record).encode())
    known = {room: None if players is None else sorted(players) for room, players in rooms.occupied(600_000).items()}
    assert known == vector["rooms"]
    assert rooms.occupied(600_001) == {}, "nothing was heard of them for twice 300 s"
