"""The rule set: which rules there are, with which parameters, and what becomes of findings.

``[rules.NAME]`` names a class as ``package.module:Class`` and gives its parameters; the class can be anybody's. Without
any ``[rules]`` in the file there are those of `DEFAULT_RULES`; with some, exactly those.

Rules: an option that does not exist is an error, and every error is one line that names the option and the file.
"""

import importlib
import sys
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_feed_name

from .engine import Limits
from .rules.base import Rule
from .sanctions import Policy

DEFAULT_RULES = {
    name: {"class": f"touchline_cheatwatch.rules.{name}:{name.capitalize()}"}
    for name in ("rate", "regularity", "reaction", "movement", "score")
}
StructT = TypeVar("StructT", bound=msgspec.Struct)
_STANDARD = frozenset((Path(importlib.__file__).parent, Path(importlib.__file__).parent.parent))
"""Where Python's own ``importlib`` and ``typing`` are."""


class FeedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[feeds.NAME]``: as the server has it."""

    topic: str
    key_field: str | None = None


class KafkaOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[kafka]``: how to reach it; the names are those of the server's configuration."""

    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = None
    tls_check_hostname: bool = True
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None

    def __post_init__(self) -> None:
        if self.sasl_mechanism and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError("sasl_mechanism needs sasl_username and sasl_password")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """All that the file says."""

    rules: Mapping[str, Rule[Any]]
    policy: Policy = Policy()
    limits: Limits = Limits()
    kafka: KafkaOptions = KafkaOptions()
    feeds: Mapping[str, FeedOptions] = msgspec.field(
        default_factory=lambda: {name: FeedOptions(topic=f"{name}-events") for name in ("match", "score")}
    )


def load_rule_set(file: Path | None = None) -> RuleSet:
    """The rule set of a TOML file, or the built-in one.

    Raises:
        OperatorError: the file cannot be read, or something in it is wrong.
    """
    if file is None:
        return rule_set_of({}, "the built-in rule set")
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorError(f"the rule set {file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # TOMLDecodeError, which tells line and column, and UnicodeDecodeError
        raise OperatorError(f"the rule set {file} is not valid TOML: {error}") from None
    return rule_set_of(tables, str(file))


def rule_set_of(tables: Mapping[str, Any], source: str) -> RuleSet:
    """The rule set that TOML tables describe. ``source`` is for errors.

    Raises:
        OperatorError: something in them is wrong.
    """
    _no_others(tables, RuleSet.__struct_fields__, "", source)
    rules = _tables(tables, "rules", source) if "rules" in tables else DEFAULT_RULES
    found: dict[str, Any] = {
        name: _converted(tables[name], kind, name, source)
        for name, kind in (("policy", Policy), ("limits", Limits), ("kafka", KafkaOptions))
        if name in tables
    }
    if "feeds" in tables:
        found["feeds"] = feeds = {}
        for name, options in _tables(tables, "feeds", source).items():
            if not is_feed_name(name):
                raise OperatorError(f"option 'feeds.{name}' in {source}: {name!r} cannot name a feed")
            feeds[name] = _converted(options, FeedOptions, f"feeds.{name}", source)
    return RuleSet(rules={name: _rule(name, table, source) for name, table in rules.items()}, **found)


def _tables(tables: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    found = tables[name]
    if not isinstance(found, dict) or not found or not all(isinstance(table, dict) for table in found.values()):
        raise OperatorError(f"option {name!r} in {source}: must have at least one table, as [{name}.NAME]")
    return found


def _rule(name: str, table: Mapping[str, Any], source: str) -> Rule[Any]:
    option = f"rules.{name}"
    path = table.get("class")
    if not isinstance(path, str):
        raise OperatorError(f"option '{option}.class' in {source}: is missing: write class = \"package.module:Class\"")
    parameters = {field: value for field, value in table.items() if field != "class"}
    kind = _rule_class(path, f"{option}.class", source)
    try:
        return _converted(parameters, kind, option, source)
    except OperatorError:
        raise
    except Exception as error:  # noqa: BLE001  # the class is anybody's: its annotations and checks can raise anything
        raise OperatorError(f"option '{option}' in {source}: {path} cannot be made: {_told(error)}") from None


def _rule_class(path: str, option: str, source: str) -> type[Rule[Any]]:
    module_name, colon, class_name = path.partition(":")
    if not (module_name and colon and class_name):
        raise OperatorError(f"option {option!r} in {source}: {path!r} is no class: write package.module:Class")
    if "" not in sys.path:
        sys.path.append("")  # so that a rule of one's own can lie in the folder that the command is started in
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001  # the module is anybody's: it can raise anything
        raise OperatorError(
            f"option {option!r} in {source}: {module_name} cannot be imported: {_told(error)}"
        ) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, Rule):
        known = [name for name, one in vars(module).items() if isinstance(one, type) and issubclass(one, Rule)]
        hint = _did_you_mean(class_name, [name for name in known if name != "Rule"])
        raise OperatorError(f"option {option!r} in {source}: there is no rule {class_name} in {module_name}{hint}")
    if not isinstance(vars(found).get("State"), type) or "judge" not in vars(found):
        raise OperatorError(f"option {option!r} in {source}: {class_name} must have a method judge and a class State")
    return found


def _converted(table: Any, kind: type[StructT], option: str, source: str) -> StructT:
    if not isinstance(table, dict):
        raise OperatorError(f"option {option!r} in {source}: must be a table")
    _no_others(table, kind.__struct_fields__, f"{option}.", source)
    for field, value in table.items():  # each on its own: the message then says which one it is
        hints = get_type_hints(kind, include_extras=True)
        try:
            msgspec.convert(value, hints[field])
        except msgspec.ValidationError as error:
            words = _one_of(_choices(hints[field]), value) or _in_words(error)
            raise OperatorError(f"option '{option}.{field}' in {source}: {words}") from None
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise OperatorError(f"option {option!r} in {source}: {_in_words(error)}") from None


def _no_others(table: Mapping[str, Any], known: tuple[str, ...], prefix: str, source: str) -> None:
    for name in table:
        if name not in known:
            hint = _did_you_mean(f"{prefix}{name}", [prefix + one for one in known])
            raise OperatorError(f"unknown option '{prefix}{name}' in {source}{hint}")


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _in_words(error: msgspec.ValidationError) -> str:
    return str(error).replace("`", "").replace("Expected", "must be", 1)


def _choices(hint: Any) -> tuple[Any, ...]:
    """The values that a type names one by one, itself or in a union; empty if there are none."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for part in get_args(hint) for choice in _choices(part))


def _one_of(choices: tuple[Any, ...], value: Any) -> str:
    """What to write instead of a value that is none of the choices; empty if the mistake is another one."""
    if not choices or value in choices:
        return ""
    *others, last = map(str, choices)
    return f"must be {', '.join(others)} or {last}, not {value!r}"


def _told(error: Exception) -> str:
    """What somebody's code raised, in one line, with the place in their file that an editor finds."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    places = [frame for frame in extract_tb(error.__traceback__) if _is_of_others(frame.filename)]
    where = f" ({places[-1].filename}, line {places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _is_of_others(file: str) -> bool:
    """Whether code is not ours, nor what imports and types are made of."""
    return file != __file__ and not file.startswith("<") and Path(file).parent not in _STANDARD
