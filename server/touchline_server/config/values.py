"""What the values of settings may be: bounds that keep slips of the keyboard out, and the forms of texts.

The settings themselves, each with its own limits and reasons, are in `config`.
"""

import re
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

SECONDS_MAX = 10 * 365 * 24 * 3600
"""Ten years: no match lasts longer, and all arithmetic of times stays far from its limits."""
WAIT_S_MAX = 24 * 3600
"""A day: waiting longer than that for an answer or a sign of life is waiting for ever."""
COUNT_MAX = 1_000_000_000
BYTES_MAX = 1 << 50
"""A pebibyte. Both only keep slips of the keyboard, and what the machine cannot count with, from being taken."""

TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")
"""The names that Kafka allows (its class ``Topic``); the embedded log keeps to them too."""
ORIGIN = re.compile(r"\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@,]+")
"""What a browser sends as ``Origin`` (RFC 6454, section 7), which has no path; or all of them."""
API_KEY = re.compile(r"\S+")
"""What can be told from its surroundings in an ``Authorization`` header."""


def _split_list(value: object) -> object:
    """Lists are written ``one,two`` in a variable, where TOML has ``["one", "two"]``."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def milliseconds(seconds: float) -> int:
    """A setting's seconds as the whole milliseconds that the core and the wire count in."""
    return round(seconds * 1000)


Seconds: TypeAlias = Annotated[float, Field(gt=0, le=SECONDS_MAX, allow_inf_nan=False)]
Wait: TypeAlias = Annotated[float, Field(ge=0, le=WAIT_S_MAX, allow_inf_nan=False)]
"""Seconds until somebody gives up, tries again or looks again; a setting may have a higher minimum."""

Strings: TypeAlias = Annotated[list[str], NoDecode, BeforeValidator(_split_list)]
Paths: TypeAlias = Annotated[list[Path], NoDecode, BeforeValidator(_split_list)]
