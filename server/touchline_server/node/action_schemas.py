"""Checks the data of actions against JSON Schemas, which the operator configures for each feed and kind of action.

A schema is checked completely when it is loaded, so that anything that would fail later, such as a dangling reference,
is reported at the start. References only work within the file, and nothing is fetched. The operator's patterns run on
data that players choose (up to ``actions.data_bytes_max``), so they should be patterns that do not backtrack.

jsonschema is imported by the functions that need it: most servers have no schema, and start sooner without it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

from touchline_protocol.codes import ACTION_INVALID, ACTION_KIND_UNKNOWN, ErrorCode
from touchline_protocol.errors import OperatorError
from touchline_protocol.utf8 import NotUtf8, text_of
from touchline_server.config.tables import OTHER_KINDS, FeedSettings

SCHEMA_BYTES_MAX = 1 << 20
"""The size limit of a schema file: people write schemas by hand."""

ERRORS_COMPARED_MAX = 32
"""Errors of one action to choose the most helpful one from: every item of a long list can be wrong."""

_PATH_CHARS_MAX = 120
_RULE_CHARS_MAX = 120
_KINDS_SHOWN_MAX = 10

_REFS = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"})
"""Keywords whose value maps names, which are not keywords themselves, to schemas."""
_VALUES = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose value is data, not a schema."""

_Schema: TypeAlias = Any  # a JSON object, true or false
_Validator: TypeAlias = Any  # a validator of jsonschema, which has no type annotations

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
"""Messages for the most common keywords; for others, the message names the keyword."""


class _DuplicateKey(ValueError):
    """An object has a key twice, so that two parsers may see different values."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _refuse_duplicates(pairs: Sequence[tuple[str, object]]) -> None:
    """Check the members of one object while it is parsed.

    Raises:
        _DuplicateKey: a key occurs twice. RFC 8259, section 4, does not say which value counts, so a reader of the log
            might see another value than the one that was checked.
    """
    if len(dict(pairs)) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKey(key)
            seen.add(key)


# Numbers stay strings, since the other decoder checks them.
_DUPLICATE_CHECK = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)


class ActionSchemas:
    """The schemas of all feeds."""

    def __init__(self, feeds: Mapping[str, FeedSettings]) -> None:
        """Load the schemas.

        Raises:
            OperatorError: a file cannot be read, or is not a usable schema.
        """
        self._feeds = {
            name: {
                kind: _load(f"feeds.{name}.action_schemas.{kind}", path) for kind, path in feed.action_schemas.items()
            }
            for name, feed in feeds.items()
            if feed.action_schemas
        }

    def check(self, feed: str, kind: str, data: bytes) -> tuple[ErrorCode, str] | None:
        """Why an action of ``kind`` with ``data`` (JSON) is refused; None if it is accepted.

        A feed without schemas accepts everything. The message says where the data is wrong and what is expected there,
        but contains none of its values.
        """
        if (kinds := self._feeds.get(feed)) is None:
            return None
        if (validator := kinds.get(kind, kinds.get(OTHER_KINDS))) is None:
            known = ", ".join(islice(kinds, _KINDS_SHOWN_MAX))
            return ACTION_KIND_UNKNOWN, f"the feed {feed} does not accept actions of this kind; it accepts {known}"
        from jsonschema.exceptions import best_match  # type: ignore[import-untyped] # noqa: PLC0415 - see above

        try:
            error = best_match(islice(validator.iter_errors(msgspec.json.decode(data)), ERRORS_COMPARED_MAX))
            _DUPLICATE_CHECK.decode(data.decode())
        except _DuplicateKey as duplicate:
            return ACTION_INVALID, f"the data has the key {_quoted(duplicate.key)} twice in one object"
        except (msgspec.DecodeError, OverflowError):
            return ACTION_INVALID, "the data contains a number that is too large to check"
        except BaseException as error:
            if not _is_stack_overflow(error):
                raise
            return ACTION_INVALID, "the data is nested too deeply to be checked"
        return None if error is None else (ACTION_INVALID, _message(error))


def _message(error: Any) -> str:
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
    rule = _shortened(json.dumps(error.validator_value, ensure_ascii=False), _RULE_CHARS_MAX)
    if error.validator == "additionalProperties":
        rule = _quoted(next(_additional(error.schema, error.instance), "…"))
    expected = _EXPECTED.get(error.validator, f"violates {error.validator!r}: {{}}").format(rule)
    return f"{_shortened(pointer, _PATH_CHARS_MAX) or 'the data'} {expected}"


def _additional(schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterator[str]:
    """The properties of ``instance`` that the schema does not name."""
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
        raise OperatorError(f"{named} is larger than {SCHEMA_BYTES_MAX >> 20} MiB, the limit for a schema")
    try:
        return _validator(msgspec.json.decode(text_of(document)))
    except NotUtf8 as error:
        raise OperatorError(f"{named} {error}") from None
    except msgspec.DecodeError as error:
        raise OperatorError(f"{named} is not valid JSON: {error}") from None
    except _BadSchema as error:
        raise OperatorError(f"{named} {error}") from None
    except BaseException as error:
        if not _is_stack_overflow(error):
            raise
        raise OperatorError(f"{named} is nested too deeply, or has a $ref that leads back to itself") from None


def _is_stack_overflow(error: BaseException) -> bool:
    """Whether Python's stack overflowed, as players can cause by the depth of their data.

    jsonschema's registry uses rpds, which is written in Rust. If the stack overflows there, the error is a Rust panic,
    which is not an `Exception`.
    """
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
        for _ in validator.evolve(schema=target).iter_errors(None):  # overflows the stack if a $ref is circular
            pass
    return validator


def _draft(schema: _Schema) -> Any:
    """The validator class for the schema's draft."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # noqa: PLC0415 - see above
    from jsonschema.validators import validator_for  # type: ignore[import-untyped] # noqa: PLC0415

    if not isinstance(schema, dict) or "$schema" not in schema:
        return Draft202012Validator
    named = schema["$schema"]
    draft = validator_for(schema, default=None) if isinstance(named, str) else None
    if draft is None:
        raise _BadSchema(f"has an unknown $schema: {_shortened(repr(named), _RULE_CHARS_MAX)}")
    return draft


def _check(draft: Any, schema: _Schema) -> None:
    if not isinstance(schema, dict | bool):
        raise _BadSchema("is not a JSON Schema, or has a $ref to something else: a schema is an object, true or false")
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - see above

    try:
        draft.check_schema(schema)
    except SchemaError as error:
        raise _BadSchema(f"is not a valid JSON Schema: {_message(error).replace('the data', 'it')}") from None


def _refs(draft: Any, part: object, *, inside: bool = False) -> Iterator[str]:
    """All references in a schema."""
    if isinstance(part, list):
        for member in part:
            yield from _refs(draft, member, inside=True)
    if not isinstance(part, dict):
        return
    if inside and isinstance(base := draft.ID_OF(part), str) and base:
        raise _BadSchema(
            f"has an id below its root, {_shortened(base, _RULE_CHARS_MAX)!r}: use references that start at the root"
        )
    for name, value in part.items():
        if name in _REFS and isinstance(value, str):
            yield value
        elif name in _BY_NAME and isinstance(value, dict):
            yield from _refs(draft, list(value.values()))
        elif name not in _VALUES:
            yield from _refs(draft, value, inside=True)


def _target(schema: _Schema, ref: str) -> _Schema:
    """The schema that a reference points to: a JSON Pointer within the file (RFC 6901, section 6)."""
    if ref != "#" and not ref.startswith("#/"):
        shown = _shortened(repr(ref), _RULE_CHARS_MAX)
        raise _BadSchema(f"has the $ref {shown}: references must point within the file, such as '#/$defs/name'")
    target = schema
    for step in unquote(ref).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(name) if isinstance(target, list) else name]
        except (LookupError, TypeError, ValueError):
            raise _BadSchema(f"has the $ref {_shortened(repr(ref), _RULE_CHARS_MAX)}, but nothing is there") from None
    return target
