"""Which settings a running server can take over from a configuration that was read again, and which it cannot. Pure.

Keys, pages and limits can change: a client can be held to others from one moment to the next. The options that a log
was opened with, and those that clients were told in their welcomes, stay until the process ends. So what is in force
after a reload is in no file, and has to be valid as a whole, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from touchline_protocol.errors import OperatorError

from .changed import changed_names
from .settings import Settings

RELOADABLE = frozenset(
    {
        "api_keys",
        "metrics_keys",
        "origins",
        "hosts",
        "connections_max",
        "rooms_max",
        "handshake_timeout_s",
        "lag_s_max",
        "drain_s",
        "drain_grace_s",
        "worker_hang_s",
        "auth.hs256_secret",
        "auth.public_keys",
        "auth.jwks",
        "auth.jwks_refresh_s",
        "auth.audience",
        "auth.issuer",
        "auth.leeway_s",
        "actions.per_second_max",
        "actions.burst",
        "actions.retry_s",
        "players",
        "rates",
        "admission",
        "tls",
    }
)
"""Options that can change at run time, or tables of which all can."""

ACTION_SCHEMAS = "action_schemas"
"""The one option of a feed that can change."""


class Reload(NamedTuple):
    """What comes of a configuration that was read again: the settings that are in force from now on, the options that
    changed with them, and those that have changed and need a restart."""

    settings: Settings
    changed: list[str]
    restart_needed: list[str]


def reload_settings(old: Settings, new: Settings) -> Reload:
    """Take over from ``new`` what can change at run time.

    Raises:
        OperatorError: that does not go together with the options that stay as they are until a restart.
    """
    names = changed_names(old, new)
    changed = [name for name in names if _is_reloadable(name, old, new)]
    settings = old
    for name in changed:
        settings = _with(settings, name.split("."), new)
    restart_needed = [name for name in names if name not in changed]
    _check_together(settings, restart_needed)
    return Reload(settings, changed, restart_needed)


def _check_together(settings: Settings, restart_needed: Sequence[str]) -> None:
    """Check the settings across options. Each option by itself is valid: it comes from settings that are."""
    try:
        Settings(**settings.model_dump(exclude_unset=True))  # options that are set need others
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = ".".join([*map(str, first["loc"]), *first.get("ctx", {}).get("option", "").split(".")]).strip(".")
        raise OperatorError(
            f"option {option!r}: {first['msg']}. These options keep their old values until a restart, and the others "
            f"do not go with them: {', '.join(restart_needed)}"
        ) from None


def _is_reloadable(name: str, old: Settings, new: Settings) -> bool:
    table, _, option = name.partition(".")
    if table == "auth" and old.auth.has_keys != new.auth.has_keys:
        return False
    if table == "feeds":
        return option.endswith(f".{ACTION_SCHEMAS}")
    return name in RELOADABLE or table in RELOADABLE


def _with(into: Any, path: list[str], source: Any) -> Any:
    """A copy of ``into`` with the option at ``path`` as ``source`` has it."""
    name, *rest = path
    own, other = _get(into, name), _get(source, name)
    value = _with(own, rest, other) if rest else other
    if isinstance(into, BaseModel):
        return into.model_copy(update={name: value})
    return {**into, name: value}


def _get(table: Any, name: str) -> Any:
    return table[name] if isinstance(table, dict) else getattr(table, name)
