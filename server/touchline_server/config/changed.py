"""Lists the settings that differ from their defaults, for the log and without secrets. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from touchline_protocol.printable import MASK, without_credentials

from .settings import Settings

SECRET = re.compile(r"secret|password|api_keys|metrics_keys")
"""Names of settings whose values are secret."""


def changed_settings(settings: Settings) -> Mapping[str, Any]:
    """The settings that differ from their defaults, by their dotted names, as plain values. Secrets are shown as
    ``***``."""
    return dict(_changed("", settings, Settings()))


def changed_names(old: Settings, new: Settings) -> list[str]:
    """The dotted names of the settings that differ. ``feeds`` do as a whole if one has a feed that the other lacks."""
    return [name for name, _ in _changed("", new, old, feeds=old.feeds.keys() == new.feeds.keys())]


def _changed(prefix: str, value: object, default: object, *, feeds: bool = False) -> Iterator[tuple[str, Any]]:
    """``feeds``: whether to look into each feed, and not show all feeds as one value."""
    for name, own in _fields(value).items():
        usual: Any = _fields(default).get(name)
        if own == usual:
            continue
        dotted = f"{prefix}{name}"
        if SECRET.search(name):
            yield dotted, MASK
        elif _fields(own) and type(own) is type(usual):
            yield from _changed(f"{dotted}.", own, usual)
        elif feeds and name == "feeds":
            for feed, options in own.items():
                yield from _changed(f"{dotted}.{feed}.", options, usual[feed])
        else:
            yield dotted, _plain(own)


def _fields(value: object) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return dict(value)
    return vars(value) if is_dataclass(value) else {}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    if fields := _fields(value):
        return {name: _plain(own) for name, own in fields.items() if own not in (None, {}, [])}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    return str(value) if isinstance(value, Path) else without_credentials(value) if isinstance(value, str) else value
