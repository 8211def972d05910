"""The types of settings' values: numbers with bounds that catch typing errors, and texts with a form.

The settings themselves, each with its limits and reasons, are in `settings` and `tables`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

SECONDS_MAX = 10 * 365 * 24 * 3600
"""Ten years. No match lasts longer, and arithmetic with times stays far from its limits."""
WAIT_S_MAX = 24 * 3600
"""A day. Waiting longer than that for an answer or a sign of life is waiting for ever."""
COUNT_MAX = 1_000_000_000
BYTES_MAX = 1 << 50
"""A pebibyte. Both bounds only reject typing errors, and numbers that the machine cannot count with."""

TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
"""The names that Kafka allows (its class ``Topic``). The embedded log accepts the same ones."""
API_KEY = re.compile(r"\S+")
"""A key in an ``Authorization`` header ends at the first space, so it must not contain one."""


def _split_list(value: object) -> object:
    """An environment variable has a list as ``one,two``, where TOML has ``["one", "two"]``."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def milliseconds(seconds: float) -> int:
    """The seconds of a setting in whole milliseconds, the unit of the core and of the wire."""
    return round(seconds * 1000)


def _bounded_wait(seconds: float) -> float:
    if not 0 <= seconds <= WAIT_S_MAX:
        raise PydanticCustomError("wait", "must be from 0 to {most}", {"most": WAIT_S_MAX})
    return seconds


def or_auto(parse: Callable[[str], object], what: str) -> BeforeValidator:
    """Reads what flags and variables have as text: ``auto``, or ``what``, which ``parse`` makes a number."""

    def read(value: object) -> object:
        if not isinstance(value, str) or value == "auto":
            return value
        try:
            return parse(value)
        except ValueError:
            raise ValueError(f'must be {what}, or "auto"') from None

    return BeforeValidator(read)


Seconds: TypeAlias = Annotated[float, Field(gt=0, le=SECONDS_MAX, allow_inf_nan=False)]
Wait: TypeAlias = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_bounded_wait)]
"""Seconds to wait. A setting can have narrower bounds: of two ``ge`` or ``le``, pydantic would only see the type's."""

Strings: TypeAlias = Annotated[list[str], NoDecode, BeforeValidator(_split_list)]
Paths: TypeAlias = Annotated[list[Path], NoDecode, BeforeValidator(_split_list)]


def _topic_name(topic: str) -> str:
    if not TOPIC.fullmatch(topic):
        raise ValueError(f"{topic!r} cannot name a topic: 1 to 249 letters, digits, '.', '_' and '-', not '.' or '..'")
    return topic


Topic: TypeAlias = Annotated[str, AfterValidator(_topic_name)]
