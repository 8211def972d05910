"""What the data of actions must look like: the JSON Schemas that feeds are given, by the kind of action.

All of a schema is looked at when it is loaded: whatever would fail later, as a reference to nowhere, is told then. Refs
lead within the file alone, and nothing is fetched. Patterns are the operator's and run on data that players choose, of
at most ``actions.data_bytes_max``: they should be ones that do not backtrack.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, best_match  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]

from touchline_protocol.codes import ACTION_INVALID, ACTION_KIND_UNKNOWN, ErrorCode
from touchline_protocol.errors import OperatorError
from touchline_server.config.tables import OTHER_KINDS, FeedSettings

SCHEMA_BYTES_MAX = 1 << 20
"""Of a file: schemas are written by people."""

ERRORS_LOOKED_AT_MAX = 32
"""Of one action, to find the one that says most: a long list can be wrong in each of its members."""

_PATH_CHARS_MAX = 120
_RULE_CHARS_MAX = 120
_KINDS_SHOWN_MAX = 10

_REFS = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"})
"""Keywords below which are schemas by names, which are no keywords."""
_VALUES = frozenset({"const", "enum", "default", "examples"})
"""Keywords below which are values, no schemas."""

_Schema: TypeAlias = Any  # a JSON object, or true or false
_Validator: TypeAlias = Any  # one of jsonschema's, which has no types

_EXPECTED = {
    "type": "must be of type {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "required": "must have all of {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "additionalProperties": "has a property that is not allowed: {}",
    "unevaluatedProperties": "has a property that is not allowed",
    None: "is not allowed here",
}
"""What a keyword asks for, in words; the others are named."""


class _KeyTwice(ValueError):
    """Data in which one reader finds another value than the next."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _keys_once(pairs: Sequence[tuple[str, object]]) -> None:
    """Of an object, as it is read.

    Raises:
        _KeyTwice: RFC 8259 section 4 leaves open which value counts; what was checked may not be what is read.
    """
    if len(dict(pairs)) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _KeyTwice(key)
            seen.add(key)


_KEYS = json.JSONDecoder(object_pairs_hook=_keys_once, parse_int=str, parse_float=str)  # numbers are checked elsewhere


class ActionSchemas:
    """The schemas of all feeds."""

    def __init__(self, feeds: Mapping[str, FeedSettings]) -> None:
        """Load the schemas.

        Raises:
            OperatorError: a file cannot be read, or is no schema that can be used.
        """
        self._feeds = {
            name: {
                kind: _load(f"feeds.{name}.action_schemas.{kind}", path) for kind, path in feed.action_schemas.items()
            }
            for name, feed in feeds.items()
            if feed.action_schemas
        }

    def check(self, feed: str, kind: str, data: bytes) -> tuple[ErrorCode, str] | None:
        """Why an action of ``kind`` with ``data`` (JSON) is refused; None where it is not.

        A feed without schemas takes everything. The message says where and what, and shows nothing of the values.
        """
        if (kinds := self._feeds.get(feed)) is None:
            return None
        if (validator := kinds.get(kind, kinds.get(OTHER_KINDS))) is None:
            known = ", ".join(islice(kinds, _KINDS_SHOWN_MAX))
            return ACTION_KIND_UNKNOWN, f"the feed {feed} has no actions of this kind; it has {known}"
        try:
            error = best_match(islice(validator.iter_errors(msgspec.json.decode(data)), ERRORS_LOOKED_AT_MAX))
            _KEYS.decode(data.decode())
        except _KeyTwice as twice:
            return ACTION_INVALID, f"the data has the key {_quoted(twice.key)} twice in one object"
        except (msgspec.DecodeError, OverflowError):
            return ACTION_INVALID, "the data has a number that is too large to check"
        except BaseException as error:
            if not _ran_too_deep(error):
                raise
            return ACTION_INVALID, "the data is nested deeper than its schema can be followed"
        return None if error is None else (ACTION_INVALID, _message(error))


def _message(error: Any) -> str:
    place = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
    rule = _shortened(json.dumps(error.validator_value, ensure_ascii=False), _RULE_CHARS_MAX)
    if error.validator == "additionalProperties":
        rule = _quoted(next(_additional(error.schema, error.instance), "…"))
    expected = _EXPECTED.get(error.validator, f"is not what {error.validator!r} asks for: {{}}").format(rule)
    return f"{_shortened(place, _PATH_CHARS_MAX) or 'the data'} {expected}"


def _additional(schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterator[str]:
    """The properties that a schema does not name."""
    patterns = schema.get("patternProperties", {})
    for name in instance:
        if name not in schema.get("properties", {}) and not any(re.search(pattern, name) for pattern in patterns):
            yield name


def _quoted(name: str) -> str:
    return json.dumps(_shortened(name, _PATH_CHARS_MAX), ensure_ascii=False)


def _shortened(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[:chars_max] + "…"


def _load(option: str, path: Path) -> _Validator:
    named = f"{option}: {path}"
    try:
        with path.open("rb") as file:
            document = file.read(SCHEMA_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorError(f"{named} cannot be read: {error.strerror or error}") from None
    if len(document) > SCHEMA_BYTES_MAX:
        raise OperatorError(f"{named} has more than {SCHEMA_BYTES_MAX >> 20} MiB, which no schema needs")
    try:
        return _validator(msgspec.json.decode(document))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{named} is no JSON: {error}") from None
    except _BadSchema as error:
        raise OperatorError(f"{named} {error}") from None
    except BaseException as error:
        if not _ran_too_deep(error):
            raise
        raise OperatorError(f"{named} is nested too deep, or has a $ref that leads back to itself") from None


def _ran_too_deep(error: BaseException) -> bool:
    """Whether Python's stack was at its end. Where that is found within rpds, of which jsonschema's registry is made,
    it comes as a panic of Rust's, which is no `Exception`: players choose how deep their data is."""
    return isinstance(error, RecursionError) or type(error).__name__ == "PanicException"


class _BadSchema(ValueError):
    """A schema that cannot be used."""


def _validator(schema: _Schema) -> _Validator:
    draft = _draft(schema)
    _check(draft, schema)
    validator = draft(schema)
    for ref in _refs(draft, schema):
        target = _target(schema, ref)
        _check(draft, target)
        for _ in validator.evolve(schema=target).iter_errors(None):  # one that leads back to itself has no end
            pass
    return validator


def _draft(schema: _Schema) -> Any:
    """The class of validators for the schema's draft."""
    if not isinstance(schema, dict) or "$schema" not in schema:
        return Draft202012Validator
    named = schema["$schema"]
    draft = validator_for(schema, default=None) if isinstance(named, str) else None
    if draft is None:
        raise _BadSchema(f"has a $schema that is not known: {_shortened(repr(named), _RULE_CHARS_MAX)}")
    return draft


def _check(draft: Any, schema: _Schema) -> None:
    if not isinstance(schema, dict | bool):
        raise _BadSchema("is no JSON Schema, or a $ref leads to none: it is an object, or true or false")
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        raise _BadSchema(f"is no valid JSON Schema: {_message(error).replace('the data', 'it')}") from None


def _refs(draft: Any, part: object, *, inside: bool = False) -> Iterator[str]:
    """All references in a schema."""
    if isinstance(part, list):
        for member in part:
            yield from _refs(draft, member, inside=True)
    if not isinstance(part, dict):
        return
    if inside and isinstance(base := draft.ID_OF(part), str) and base:
        raise _BadSchema(f"has an id inside, {_shortened(base, _RULE_CHARS_MAX)!r}: write references from its root")
    for name, value in part.items():
        if name in _REFS and isinstance(value, str):
            yield value
        elif name in _BY_NAME and isinstance(value, dict):
            yield from _refs(draft, list(value.values()))
        elif name not in _VALUES:
            yield from _refs(draft, value, inside=True)


def _target(schema: _Schema, ref: str) -> _Schema:
    """What a reference within the file leads to: a JSON Pointer (RFC 6901 section 6)."""
    if ref != "#" and not ref.startswith("#/"):
        shown = _shortened(repr(ref), _RULE_CHARS_MAX)
        raise _BadSchema(f"has the $ref {shown}: references lead within the file, as '#/$defs/name'")
    target = schema
    for step in unquote(ref).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(name) if isinstance(target, list) else name]
        except (LookupError, TypeError, ValueError):
            raise _BadSchema(f"has the $ref {_shortened(repr(ref), _RULE_CHARS_MAX)}, which leads nowhere") from None
    return target
