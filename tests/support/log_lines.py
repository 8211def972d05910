"""The server's log lines as the fields that were logged."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest


def log_lines(
    caplog: pytest.LogCaptureFixture, event: str | None = None, *, level: int = logging.NOTSET
) -> list[Mapping[str, Any]]:
    """The fields of the server's lines so far, of one event or of all, at this level or above."""
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.levelno >= level]
    return [line for line in lines if event in (None, line["event"])]
