"""Loads the settings from their sources, and reports what is wrong with them and where.

The sources, the strongest first: flags of the command line, environment variables (``TOUCHLINE_PORT=8080``, and
``TOUCHLINE_KAFKA__CA_FILE`` for an option in a table), the TOML file, the defaults of `Settings`.

Rules: an unknown option is an error in every source. Every error is one line that names the option and its source.
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from touchline_protocol.errors import OperatorError
from touchline_protocol.utf8 import NotUtf8, text_of

from .changed import SECRET
from .settings import Settings
from .suggestions import nearest_option, renamed
from .variables import CONFIG_VARIABLE, ENV_PREFIX, OTHER_VARIABLES

_MESSAGES = {
    "model_type": "must be a table",
    "dataclass_type": "must be a table",
    "extra_forbidden": "there is no such option",
    "unexpected_keyword_argument": "there is no such option",
}
"""Our messages for pydantic's errors, by error type. Other errors keep pydantic's message."""
_NOT_ABOUT_A_VALUE = frozenset(
    {"option_error", "value_error", "missing", "extra_forbidden", "unexpected_keyword_argument"}
)


def load_settings(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Load the settings. ``file`` is the TOML file; without it `CONFIG_VARIABLE` names one, if it is set.

    ``flags`` has options by name, those of tables in tables. Those that are None were not given.

    Raises:
        OperatorError: the file cannot be read, an option or a variable is unknown, or a value is invalid.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    sources = [
        _Source(given, _flag),
        _Source(_environment(), lambda path: "variable " + _variable(path)),
    ]
    if file is None and (named := os.environ.get(CONFIG_VARIABLE)):
        file = Path(named)
    if file is not None:
        sources.append(_file_source(file))
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        _merge(merged, source.values)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise _operator_error(error.errors(include_url=False)[0], sources) from None


OptionPath: TypeAlias = tuple[str, ...]
"""An option as its tables and its name, for example ``("kafka", "tls")``."""


class _Source(NamedTuple):
    """One source of options: their values, in tables, and what an option is called there."""

    values: Mapping[str, Any]
    name: Callable[[OptionPath], str]


def _file_source(file: Path) -> _Source:
    try:
        values = tomllib.loads(text_of(file.read_bytes()))
    except OSError as error:
        raise OperatorError(f"cannot read the configuration file {file}: {error.strerror or error}") from None
    except NotUtf8 as error:
        raise OperatorError(f"the configuration file {file} {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OperatorError(f"the configuration file {file} is not valid TOML: {error}") from None
    for path in _leaves(values):
        if (unknown := _unknown(path, with_keys=True)) is not None:
            option, known = unknown
            raise OperatorError(f"unknown option {option!r} in {file}" + _hint(option, known, repr))
    return _Source(values, lambda path: f"option {'.'.join(path)!r} in {file}")


def _environment() -> Mapping[str, Any]:
    for variable in sorted(os.environ):
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name in OTHER_VARIABLES:
            continue
        if (unknown := _unknown(tuple(name.removeprefix(ENV_PREFIX).lower().split("__")), with_keys=False)) is not None:
            known = unknown[1]
            hint = _hint(unknown[0], known, lambda option: _variable(tuple(option.split("."))))
            raise OperatorError(f"unknown variable {variable}" + (_kubernetes_hint() or hint))
    try:
        return EnvSettingsSource(Settings, env_ignore_empty=True)()
    except SettingsError as error:
        field = str(error).split('"')[1]
        raise OperatorError(f"variable {_variable((field,))} must be JSON, or one variable for each option") from None


def _flag(path: OptionPath) -> str:
    """The flag for an option. Those of ``touchline keeper`` are named without their table."""
    return "flag --" + ".".join(path[1:] if path[0] == "keeper" and path[1:] else path).replace("_", "-")


def _variable(path: OptionPath) -> str:
    return ENV_PREFIX + "__".join(path).upper()


def _kubernetes_hint() -> str:
    """Kubernetes sets variables that begin like ours in every pod, if a service is named touchline."""
    if "TOUCHLINE_SERVICE_HOST" not in os.environ:
        return ""
    return ", which Kubernetes sets for a service named touchline: set enableServiceLinks: false in the pod's spec"


def _leaves(table: Mapping[str, Any], path: OptionPath = ()) -> Iterator[OptionPath]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)


def _unknown(path: OptionPath, *, with_keys: bool) -> tuple[str, Sequence[str]] | None:
    """The part of ``path`` that is not an option, and the options in the same table; None if ``path`` is an option.

    ``with_keys``: it may lead to a key in the value of an option. A variable cannot, since its name has no case.
    """
    kind: Any = Settings
    for depth, name in enumerate(path):
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            continue
        if with_keys and any(get_origin(one) is dict for one in get_args(kind)):
            return None
        fields = options_of(kind)
        if name not in fields:
            return ".".join(path[: depth + 1]), [".".join((*path[:depth], field)) for field in fields]
        kind = fields[name].annotation
    return None


def options_of(kind: Any) -> Mapping[str, FieldInfo]:
    """The options of a table; none if ``kind`` is not a table."""
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, BaseModel):
        return kind.model_fields
    return kind.__pydantic_fields__ if is_pydantic_dataclass(kind) else {}


def _options(kind: Any, path: OptionPath = ()) -> Iterator[str]:
    """All options by their whole names. Tables with names of the operator's own, such as those of feeds, have none."""
    for name, field in options_of(kind).items():
        if options_of(field.annotation):
            yield from _options(field.annotation, (*path, name))
        elif not path or get_origin(field.annotation) is not dict:
            yield ".".join((*path, name))


def has_secret(path: OptionPath) -> bool:
    """Whether the value at ``path`` never appears in an error: it is a secret, or an address that may have one."""
    return any(SECRET.search(name) or name == "url" for name in path)


def _hint(option: str, known: Sequence[str], shown: Callable[[str], str]) -> str:
    return renamed(option, shown) or nearest_option(option, known, list(_options(Settings)), shown)


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Put ``values`` over those in ``into``, table by table."""
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value.copy() if isinstance(value, dict) else value


def _operator_error(error: ErrorDetails, sources: Sequence[_Source]) -> OperatorError:
    """What is wrong with a value, in one line that names the source."""
    path = tuple(str(part) for part in error["loc"])
    context = error.get("ctx", {})
    if "option" in context:
        path = (*path, *context["option"].split("."))
    source = max(
        sources, key=lambda source: len(_known_part(path, source.values))
    )  # of several the first, which is the strongest
    named = path if error["type"] == "missing" else _known_part(path, source.values)
    where = source.name(named) if _known_part(path, source.values) else f"option {'.'.join(path)!r}"
    what = str(context["error"]) if error["type"] == "value_error" else error["msg"]
    what = what.replace("Input should be", "must be").replace("Field required", "is missing")
    what = _MESSAGES.get(error["type"], what)
    if error["type"] not in _NOT_ABOUT_A_VALUE and not has_secret(path):
        what += f", not {error['input']!r}"
    return OperatorError(f"{where}: {what}")


def _known_part(path: OptionPath, values: Mapping[str, Any]) -> OptionPath:
    """The longest beginning of ``path`` that exists in ``values``."""
    here: Any = values
    for depth, name in enumerate(path):
        if not isinstance(here, dict) or name not in here:
            return path[:depth]
        here = here[name]
    return path
