"""The data of an action is checked by the schemas of its feed, and invalid schemas are reported."""

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
    """The feed match with these schemas; bytes are written as they are."""
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
def test_data_as_the_schema_asks_is_taken(tmp_path: Path, data: Any) -> None:
    assert refusal(schemas(tmp_path, move=MOVE), data) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": -1}, "/x must be at least 0"),
        ({"x": 121}, "/x must be at most 120"),
        ({"x": "far"}, '/x must be of type "number"'),
        ({}, 'the data must have all of ["x"]'),
        ([], 'the data must be of type "object"'),
        ({"x": 1, "y": 2}, 'the data has a property that is not allowed: "y"'),
        ({"x": 1, "é" * 200: 2}, f'the data has a property that is not allowed: "{"é" * 120}…"'),
        ({"x": 1, "note": "confidential"}, "/note is not what 'maxLength' asks for: 5"),
        ({"x": 1, "steps": ["left", "up"]}, '/steps/1 must be one of ["left", "right"]'),
        ({"x": 1, "a/b~c": 2}, "/a~1b~0c must be 1"),
    ],
)
def test_data_that_is_not_is_refused_with_where_and_what(tmp_path: Path, data: Any, message: str) -> None:
    assert refusal(schemas(tmp_path, move=MOVE), data) == ("action_invalid", message)


def test_a_property_that_only_a_pattern_names_is_allowed(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move={"patternProperties": {"^x_": True}, "additionalProperties": False})
    assert refusal(checks, {"x_1": 1}) is None
    assert refusal(checks, {"x_1": 1, "y": 1}) == (
        "action_invalid",
        'the data has a property that is not allowed: "y"',
    )


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"x":-1,"x":1}', '"x"'),
        (b'{"x":1,"\\u0078":-1}', '"x"'),
        (b'[{"a":[{"":1.5,"b":{},"":2}]}]', '""'),
        ('{"%s":1,"%s":1}' % (("é" * 500,) * 2), f'"{"é" * 120}…"'),
    ],
)
def test_a_key_that_an_object_has_twice_is_refused(tmp_path: Path, data: bytes | str, key: str) -> None:
    checks = schemas(tmp_path, move={"properties": {"x": {"minimum": 0}}})
    sent = data if isinstance(data, bytes) else data.encode()
    assert refusal(checks, sent) == ("action_invalid", f"the data has the key {key} twice in one object")


def test_a_key_that_two_objects_have_is_taken(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move=True)
    assert refusal(checks, b'{"x":{"x":1},"y":[{"x":1},{"x":1' + b"0" * 300 + b"}]}") is None
    assert checks.check("score", "move", b'{"x":1,"x":2}') is None  # nothing is asked of it


def test_a_message_is_short_whatever_the_data_and_shows_none_of_it(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move={"additionalProperties": {"const": ["x" * 5000]}})
    refused = refusal(checks, {"k" * 4000: "secret"})
    assert refused
    assert "secret" not in refused[1]


def test_a_kind_that_is_not_in_the_table_is_refused(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move=MOVE, tap=True)
    assert refusal(checks, {}, "fly") == (
        "action_kind_unknown",
        "the feed match has no actions of this kind; it has move, tap",
    )


def test_a_star_is_for_all_other_kinds(tmp_path: Path) -> None:
    checks = schemas(tmp_path, move=MOVE, other={"type": "null"})
    assert refusal(checks, None, "fly") is None
    assert refusal(checks, None, "*") is None
    assert refusal(checks, 7, "fly") == ("action_invalid", 'the data must be of type "null"')
    assert refusal(checks, None) is not None


def test_a_feed_without_a_table_takes_everything(tmp_path: Path) -> None:
    assert schemas(tmp_path, move=MOVE).check("score", "move", b"[1]") is None


def test_nothing_is_taken_where_the_schema_is_false(tmp_path: Path) -> None:
    assert refusal(schemas(tmp_path, move=False), 1) == ("action_invalid", "the data is not allowed here")


@pytest.mark.parametrize("data", [b"1e999", b"1" + b"0" * 400, b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX])
def test_data_that_cannot_be_checked_is_refused(tmp_path: Path, data: bytes) -> None:
    schema = {"anyOf": [{"type": "array"}, {"multipleOf": 0.5}], "items": {"allOf": [{"allOf": [{"$ref": "#"}]}]}}
    refused = refusal(schemas(tmp_path, move=schema), data)
    assert refused
    assert refused[0] == "action_invalid"


def test_the_draft_is_the_one_that_the_schema_names(tmp_path: Path) -> None:
    items = {"items": [{"type": "string"}], "$schema": "http://json-schema.org/draft-07/schema#"}
    assert refusal(schemas(tmp_path, move=items), [7])
    newest = {"prefixItems": [{"type": "string"}]}
    assert refusal(schemas(tmp_path, move=newest), [7])


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff", "JSON"),
        (b" " * ((1 << 20) + 1), "1 MiB"),
        (b'{"not":' * 900 + b"1" + b"}" * 900, "nested"),
        (7, "JSON Schema"),
        ({"type": "numbr"}, "JSON Schema: /type"),
        ({"pattern": "("}, "JSON Schema: /pattern"),
        ({"properties": {"x": {"minimum": "1"}}}, "JSON Schema: /properties/x/minimum"),
        ({"$schema": "https://example.com/mine"}, "$schema: 'https://example.com/mine'"),
        ({"$schema": 7}, "$schema: 7"),
        ({"$ref": "https://example.com/x"}, "within the file"),
        ({"$ref": "http://json-schema.org/draft-07/schema#"}, "within the file"),
        ({"allOf": [{"$ref": "step.json"}]}, "within the file"),
        ({"$ref": "#name", "$defs": {"x": {"$anchor": "name"}}}, "within the file"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"x": True}}, "'#/$defs/y', which leads nowhere"),
        ({"$ref": "#/allOf/1", "allOf": [True]}, "which leads nowhere"),
        ({"$ref": "#/allOf/x", "allOf": [True]}, "which leads nowhere"),
        ({"$ref": "#/required/0", "required": ["x"]}, "$ref"),
        ({"$ref": "#/else where", "else where": {"type": 7}}, "JSON Schema: /type"),
        ({"$ref": "#"}, "back to itself"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"y": {"not": {"$ref": "#/$defs/y"}}}}, "leads back"),
        ({"properties": {"default": {"$ref": "x.json"}}}, "within the file"),
        ({"$defs": {"x": {"$id": "https://example.com/x"}}}, "id inside, 'https://example.com/x'"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "items": {"id": "x", "not": {"$ref": "#/items"}}},
            "id inside, 'x'",
        ),
    ],
)
def test_the_error_for_an_invalid_schema_names_the_place(tmp_path: Path, schema: Any, says: str) -> None:
    with pytest.raises(OperatorError) as caught:
        schemas(tmp_path, move=schema)
    assert str(caught.value).startswith(f"feeds.match.action_schemas.move: {tmp_path / 'move.json'} ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    feed = FeedSettings(topic="m", action_schemas={"move": tmp_path / "nothing.json"})
    with pytest.raises(OperatorError, match=r"action_schemas\.move: .*nothing\.json cannot be read: No such file"):
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
def test_a_schema_with_references_within_its_file_is_used(tmp_path: Path, schema: Any) -> None:
    assert schemas(tmp_path, move=schema)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["x", "note", "steps"]) | st.text(), inner),
)


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> ActionSchemas:
    wild = {
        "anyOf": [MOVE | {"$defs": {}, "properties": {}}, {"type": "array", "uniqueItems": True}, {"multipleOf": 0.1}],
        "patternProperties": {"^x": {"not": {"type": "string", "pattern": "a"}}},
        "unevaluatedProperties": False,
        "contains": {"minimum": 3},
    }
    return schemas(tmp_path_factory.mktemp("schemas"), move=MOVE, wild=wild)


@given(JSON, st.sampled_from(["move", "wild"]))
def test_whatever_comes_is_taken_or_refused_and_nothing_else(strange: ActionSchemas, data: Any, kind: str) -> None:
    refusal(strange, json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"), kind)


def from_depth(frames: int, call: Callable[[], object]) -> object:
    """Call from so many frames deeper in the stack."""
    return call() if frames == 0 else from_depth(frames - 1, call)


@pytest.mark.parametrize("frames", range(60))
def test_wherever_the_stack_ends_deep_data_is_refused_and_an_endless_schema_told(tmp_path: Path, frames: int) -> None:
    tree = {"properties": {"c": {"$ref": "#"}}, "allOf": [{"anyOf": [{"type": "object"}, {"type": "null"}]}]}
    checks = schemas(tmp_path, move=tree)
    deep = b'{"c":' * JSON_DEPTH_MAX + b"null" + b"}" * JSON_DEPTH_MAX
    refused = from_depth(frames, lambda: checks.check("match", "move", deep))
    assert refused == (NACKS["action_invalid"], "the data is nested deeper than its schema can be followed")
    with pytest.raises(OperatorError, match="leads back to itself"):
        from_depth(frames, lambda: schemas(tmp_path, move={"not": {"$ref": "#"}}))
