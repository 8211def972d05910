"""The rule set: which rules there are, with which parameters, and which verdicts follow from their findings.

``[rules.NAME]`` names a class as ``package.module:Class``, which can be anybody's, and gives its parameters. A file
without any ``[rules]`` has those of `DEFAULT_RULES`; otherwise it has exactly the rules that it lists.

Rules: unknown options are errors, and every error is one line that names the option and the file.

The server has a loader of its own (its ``config.loading``), because the two share no schema library: settings that come
from flags, variables and a file are pydantic's, while the parameters of rules are structs that anyone can declare.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from touchline_cli.suggestions import did_you_mean
from touchline_kafka.security import Security
from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_feed_name
from touchline_protocol.utf8 import NotUtf8, text_of

from .engine import Limits
from .rule_classes import describe, rule_class
from .rules.base import Rule
from .sanctions import Policy

DEFAULT_RULES = {
    name: {"class": f"touchline_cheatwatch.rules.{name}:{name.capitalize()}"}
    for name in ("rate", "regularity", "reaction", "movement", "score")
}
TableT = TypeVar("TableT")


class FeedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table ``[feeds.NAME]``, the same as in the server's configuration."""

    topic: str
    key_field: str | None = None


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of the file."""

    rules: Mapping[str, Rule[Any]]
    policy: Policy = Policy()
    limits: Limits = Limits()
    kafka: Security = Security()
    feeds: Mapping[str, FeedOptions] = msgspec.field(
        default_factory=lambda: {name: FeedOptions(topic=f"{name}-events") for name in ("match", "score")}
    )


def load_rule_set(file: Path | None = None) -> RuleSet:
    """Load the rule set of a TOML file, or the built-in one.

    Raises:
        OperatorError: the file cannot be read, or something in it is wrong.
    """
    if file is None:
        return rule_set_of({}, "the built-in rule set")
    try:
        tables = tomllib.loads(text_of(file.read_bytes()))
    except OSError as error:
        raise OperatorError(f"the rule set {file} cannot be read: {error.strerror or error}") from None
    except NotUtf8 as error:
        raise OperatorError(f"the rule set {file} {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OperatorError(f"the rule set {file} is not valid TOML: {error}") from None
    return rule_set_of(tables, str(file), file.parent)


def rule_set_of(tables: Mapping[str, Any], source: str, folder: Path | None = None) -> RuleSet:
    """Build the rule set that TOML tables describe. ``source`` is for errors; ``folder`` may hold rules of its own.

    Raises:
        OperatorError: something in them is wrong.
    """
    _refuse_unknown(tables, RuleSet.__struct_fields__, "", source)
    rules = _tables(tables, "rules", source) if "rules" in tables else DEFAULT_RULES
    found: dict[str, Any] = {
        name: _converted(tables[name], kind, name, source)
        for name, kind in (("policy", Policy), ("limits", Limits), ("kafka", Security))
        if name in tables
    }
    if "feeds" in tables:
        found["feeds"] = feeds = {}
        for name, options in _tables(tables, "feeds", source).items():
            if not is_feed_name(name):
                raise OperatorError(f"option 'feeds.{name}' in {source}: {name!r} is not a valid feed name")
            feeds[name] = _converted(options, FeedOptions, f"feeds.{name}", source)
    return RuleSet(rules={name: _rule(name, table, source, folder) for name, table in rules.items()}, **found)


def _tables(tables: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    found = tables[name]
    if not isinstance(found, dict) or not found or not all(isinstance(table, dict) for table in found.values()):
        raise OperatorError(f"option {name!r} in {source}: must have at least one table, such as [{name}.NAME]")
    return found


def _rule(name: str, table: Mapping[str, Any], source: str, folder: Path | None) -> Rule[Any]:
    option = f"rules.{name}"
    path = table.get("class")
    if not isinstance(path, str):
        raise OperatorError(f"option '{option}.class' in {source}: is missing: write class = \"package.module:Class\"")
    parameters = {field: value for field, value in table.items() if field != "class"}
    kind = rule_class(path, f"{option}.class", source, folder)
    try:
        return _converted(parameters, kind, option, source)
    except OperatorError:
        raise
    except Exception as error:  # noqa: BLE001  # the annotations and checks of somebody's class may raise anything
        raise OperatorError(f"option '{option}' in {source}: {path} cannot be created: {describe(error)}") from None


def _converted(table: Any, kind: type[TableT], option: str, source: str) -> TableT:
    if not isinstance(table, dict):
        raise OperatorError(f"option {option!r} in {source}: must be a table")
    _refuse_unknown(table, _field_names(kind), f"{option}.", source)
    for field, value in table.items():  # one at a time, so that the error can name it
        hints = get_type_hints(kind, include_extras=True)
        try:
            msgspec.convert(value, hints[field])
        except msgspec.ValidationError as error:
            what = _one_of(_choices(hints[field]), value) or _describe_invalid(error)
            raise OperatorError(f"option '{option}.{field}' in {source}: {what}") from None
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise OperatorError(f"option {option!r} in {source}: {_describe_invalid(error)}") from None


def _field_names(kind: type[Any]) -> tuple[str, ...]:
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    return tuple(field.name for field in dataclasses.fields(kind))


def _refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], prefix: str, source: str) -> None:
    for name in table:
        if name not in known:
            hint = did_you_mean(f"{prefix}{name}", [prefix + one for one in known])
            raise OperatorError(f"unknown option '{prefix}{name}' in {source}{hint}")


def _describe_invalid(error: msgspec.ValidationError) -> str:
    return str(error).replace("`", "").replace("Expected", "must be", 1)


def _choices(hint: Any) -> tuple[Any, ...]:
    """The values that a type lists, itself or in a union; empty if it lists none."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for part in get_args(hint) for choice in _choices(part))


def _one_of(choices: tuple[Any, ...], value: Any) -> str:
    """The choices for a value that is not one of them; an empty string if something else is wrong."""
    if not choices or value in choices:
        return ""
    *others, last = map(str, choices)
    return f"must be {', '.join(others)} or {last}, not {value!r}"
