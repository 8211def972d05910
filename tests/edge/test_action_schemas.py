"""Action schemas: which data is accepted or refused, and which schemas are refused when they are loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.codes import NACKS
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import JSON_DEPTH_MAX
from touchline_server.config.tables import FeedSettings
from touchline_server.node.action_schemas import ActionSchemas

MOVE = {
    "type": "object",
    "properties": {
        "x": {"type": "number", "minimum": 0, "maximum": 120},
        "note": {"type": "string", "maxLength": 5},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "a/b~c": {"const": 1},
    },
    "required": ["x"],
    "additionalProperties": False,
    "$defs": {"step": {"enum": ["left", "right"]}},
}


def schemas(folder: Path, **kinds: Any) -> ActionSchemas:
    """Schemas for the feed match, by kind; ``other`` is for all other kinds. Bytes are written as they are."""
    paths = {}
    for kind, schema in kinds.items():
        paths[{"other": "*"}.get(kind, kind)] = path = folder / f"{kind}.json"
        path.write_bytes(schema if isinstance(schema, bytes) else json.dumps(schema).encode())
    feeds = {"match": FeedSettings(topic="m", action_schemas=paths), "score": FeedSettings(topic="s")}
    return ActionSchemas(feeds)


def refusal(checks: ActionSchemas, data: Any, kind: str = "move") -> tuple[str, str] | None:
    refused = checks.check("match", kind, data if isinstance(data, bytes) else json.dumps(data).encode())
    if refused is None:
        return None
    code, message = refused
    assert NACKS[code.code] is code
    assert len(message) < 500
    return code.code, message


@pytest.mark.parametrize("data", [{"x": 0}, {"x": 120, "note": "hello"}, {"x": 1, "steps": ["left"], "a/b~c": 1}])
def test_valid_data_is_accepted(tmp_path: Path, data: Any) -> None:
    assert refusal(schemas(tmp_path, move=MOVE), data) is None


@pytest.mark.parametrize(
    ("data", "pointer", "rule"),
    [
        ({"x": -1}, "/x", "0"),
        ({"x": 121}, "/x", "120"),
        ({"x": "far"}, "/x", '"number"'),
        ({}, "", '["x"]'),
        ([], "", '"object"'),
        ({"x": 1, "y": 2}, "", '"y"'),
        ({"x": 1, "é" * 200: 2}, "", f'"{"é" * 120}…"'),
        ({"x": 1, "note": "confidential"}, "/note", "'maxLength': 5"),
        ({"x": 1, "steps": ["left", "up"]}, "/steps/1", '["left", "right"]'),
        ({"x": 1, "a/b~c": 2}, "/a~1b~0c", "1"),
    ],
)
def test_invalid_data_is_refused_with_its_json_pointer_and_the_rule(
    tmp_path: Path, data: Any, pointer: str, rule: str
) -> None:
    refused = refusal(schemas(tmp_path, move=MOVE), data)
    assert refused
    code, message = refused
    assert code == "action_invalid"
    assert message.startswith(pointer + " ") or not pointer
    assert message.endswith(" " + rule)


def test_a_property_that_only_a_pattern_names_is_allowed(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move={"patternProperties": {"^x_": True}, "additionalProperties": False})
    assert refusal(checks, {"x_1": 1}) is None
    refused = refusal(checks, {"x_1": 1, "y": 1})
    assert refused
    assert refused[0] == "action_invalid"
    assert refused[1].endswith(' "y"')


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"x":-1,"x":1}', '"x"'),
        (b'{"x":1,"\\u0078":-1}', '"x"'),
        (b'[{"a":[{"":1.5,"b":{},"":2}]}]', '""'),
        ('{"%s":1,"%s":1}' % (("é" * 500,) * 2), f'"{"é" * 120}…"'),
    ],
)
def test_a_duplicate_key_in_one_object_is_refused(tmp_path: Path, data: bytes | str, key: str) -> None:
    checks = schemas(tmp_path, move={"properties": {"x": {"minimum": 0}}})
    sent = data if isinstance(data, bytes) else data.encode()
    refused = refusal(checks, sent)
    assert refused
    assert refused[0] == "action_invalid"
    assert f" {key} " in refused[1]


def test_the_same_key_in_two_objects_is_accepted(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move=True)
    assert refusal(checks, b'{"x":{"x":1},"y":[{"x":1},{"x":1' + b"0" * 300 + b"}]}") is None
    assert checks.check("score", "move", b'{"x":1,"x":2}') is None  # this feed has no schemas


def test_a_message_is_short_for_any_data_and_contains_none_of_its_values(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move={"additionalProperties": {"const": ["x" * 5000]}})
    refused = refusal(checks, {"k" * 4000: "secret"})
    assert refused
    assert "secret" not in refused[1]


def test_a_kind_without_a_schema_is_refused(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move=MOVE, tap=True)
    refused = refusal(checks, {}, "fly")
    assert refused
    assert refused[0] == "action_kind_unknown"
    assert refused[1].endswith(" move, tap")


def test_a_star_matches_all_other_kinds(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move=MOVE, other={"type": "null"})
    assert refusal(checks, None, "fly") is None
    assert refusal(checks, None, "*") is None
    refused = refusal(checks, 7, "fly")
    assert refused
    assert refused[0] == "action_invalid"
    assert '"null"' in refused[1]
    assert refusal(checks, None) is not None


def test_a_feed_without_schemas_accepts_everything(tmp_path: Path) -> None:
    assert schemas(tmp_path, move=MOVE).check("score", "move", b"[1]") is None


def test_the_schema_false_refuses_everything(tmp_path: Path) -> None:
    refused = refusal(schemas(tmp_path, move=False), 1)
    assert refused
    assert refused[0] == "action_invalid"


@pytest.mark.parametrize("data", [b"1e999", b"1" + b"0" * 400, b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX])
def test_data_that_cannot_be_checked_is_refused(tmp_path: Path, data: bytes) -> None:
    schema = {"anyOf": [{"type": "array"}, {"multipleOf": 0.5}], "items": {"allOf": [{"allOf": [{"$ref": "#"}]}]}}
    refused = refusal(schemas(tmp_path, move=schema), data)
    assert refused
    assert refused[0] == "action_invalid"


def test_a_schema_names_its_draft(tmp_path: Path) -> None:
    items = {"items": [{"type": "string"}], "$schema": "http://json-schema.org/draft-07/schema#"}
    assert refusal(schemas(tmp_path, move=items), [7])
    newest = {"prefixItems": [{"type": "string"}]}
    assert refusal(schemas(tmp_path, move=newest), [7])


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff", "UTF-8"),
        (b" " * ((1 << 20) + 1), "1 MiB"),
        (b'{"not":' * 900 + b"1" + b"}" * 900, "nested"),
        (7, "JSON Schema"),
        ({"type": "numbr"}, ": /type"),
        ({"pattern": "("}, ": /pattern"),
        ({"properties": {"x": {"minimum": "1"}}}, ": /properties/x/minimum"),
        ({"$schema": "https://example.com/mine"}, "$schema: 'https://example.com/mine'"),
        ({"$schema": 7}, "$schema: 7"),
        ({"$ref": "https://example.com/x"}, "$ref 'https://example.com/x'"),
        ({"$ref": "http://json-schema.org/draft-07/schema#"}, "$ref 'http://json-schema.org/draft-07/schema#'"),
        ({"allOf": [{"$ref": "step.json"}]}, "$ref 'step.json'"),
        ({"$ref": "#name", "$defs": {"x": {"$anchor": "name"}}}, "$ref '#name'"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"x": True}}, "$ref '#/$defs/y'"),
        ({"$ref": "#/allOf/1", "allOf": [True]}, "$ref '#/allOf/1'"),
        ({"$ref": "#/allOf/x", "allOf": [True]}, "$ref '#/allOf/x'"),
        ({"$ref": "#/required/0", "required": ["x"]}, "$ref"),
        ({"$ref": "#/else where", "else where": {"type": 7}}, ": /type"),
        ({"$ref": "#"}, "$ref"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"y": {"not": {"$ref": "#/$defs/y"}}}}, "$ref"),
        ({"properties": {"default": {"$ref": "x.json"}}}, "$ref 'x.json'"),
        ({"$defs": {"x": {"$id": "https://example.com/x"}}}, "'https://example.com/x'"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "items": {"id": "x", "not": {"$ref": "#/items"}}},
            "'x'",
        ),
    ],
)
def test_an_unusable_schema_is_reported_with_its_option_and_file(tmp_path: Path, schema: Any, named: str) -> None:
    with pytest.raises(OperatorError) as caught:
        schemas(tmp_path, move=schema)
    assert str(caught.value).startswith(f"feeds.match.action_schemas.move: {tmp_path / 'move.json'} ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_an_unreadable_file_is_reported_with_its_option_and_name(tmp_path: Path) -> None:
    feed = FeedSettings(topic="m", action_schemas={"move": tmp_path / "nothing.json"})
    with pytest.raises(OperatorError, match=r"action_schemas\.move: .*nothing\.json"):
        ActionSchemas({"match": feed})


@pytest.mark.parametrize(
    "schema",
    [
        {"$id": "https://example.com/root", "properties": {"next": {"$ref": "#"}}},
        {"properties": {"x": {"$ref": "#/$defs/a~1b%20c"}}, "$defs": {"a/b c": {"type": "integer"}}},
        {"$ref": "#/allOf/0", "allOf": [True]},
        {"const": {"$ref": "nowhere"}, "enum": [{"$ref": "nowhere"}], "default": {"$id": "x"}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
    ],
)
def test_a_schema_may_have_references_within_its_file(tmp_path: Path, schema: Any) -> None:
    assert schemas(tmp_path, move=schema)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["x", "note", "steps"]) | st.text(), inner),
)


@pytest.fixture(scope="module")
def schemas_to_fuzz(tmp_path_factory: pytest.TempPathFactory) -> ActionSchemas:
    wild = {
        "anyOf": [MOVE | {"$defs": {}, "properties": {}}, {"type": "array", "uniqueItems": True}, {"multipleOf": 0.1}],
        "patternProperties": {"^x": {"not": {"type": "string", "pattern": "a"}}},
        "unevaluatedProperties": False,
        "contains": {"minimum": 3},
    }
    return schemas(tmp_path_factory.mktemp("schemas"), move=MOVE, wild=wild)


@given(JSON, st.sampled_from(["move", "wild"]))
def test_any_data_is_accepted_or_refused_without_an_exception(
    schemas_to_fuzz: ActionSchemas, data: Any, kind: str
) -> None:
    refusal(schemas_to_fuzz, json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"), kind)


def from_depth(frames: int, call: Callable[[], object]) -> object:
    """Call a function from ``frames`` frames deeper in the stack."""
    return call() if frames == 0 else from_depth(frames - 1, call)


@pytest.mark.parametrize("frames", range(60))
def test_deep_data_and_circular_schemas_are_refused_wherever_the_stack_overflows(tmp_path: Path, frames: int) -> None:
    tree = {"properties": {"c": {"$ref": "#"}}, "allOf": [{"anyOf": [{"type": "object"}, {"type": "null"}]}]}
    checks = schemas(tmp_path, move=tree)
    deep = b'{"c":' * JSON_DEPTH_MAX + b"null" + b"}" * JSON_DEPTH_MAX
    refused = from_depth(frames, lambda: checks.check("match", "move", deep))
    assert isinstance(refused, tuple)
    assert refused[0] is NACKS["action_invalid"]
    with pytest.raises(OperatorError, match=r"action_schemas\.move: .*\$ref"):
        from_depth(frames, lambda: schemas(tmp_path, move={"not": {"$ref": "#"}}))
