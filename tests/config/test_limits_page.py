"""docs/limits.md has every limit that is a setting, with its default."""

import re
from pathlib import Path
from typing import Any

from touchline_server.config.loading import options_of
from touchline_server.config.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text("utf-8")
LIMIT = re.compile(
    r"_max$|_burst$|^burst$|^window$|^(handshake_timeout|heartbeat|ack_timeout)_s$|^replay_concurrency$|^flush_slice_clients$"
)
"""Names of settings that are limits: how much, how often, or for how long."""


def limits(table: Any, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name in options_of(type(table)):
        value = getattr(table, name)
        if options_of(type(value)):
            found |= limits(value, f"{prefix}{name}.")
        elif LIMIT.search(name):
            found[prefix + name] = str(value)
    return found


def test_every_limit_is_listed_with_its_default_and_a_reason() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| `")
    ]
    listed = {row[0].strip("` "): row[1] for row in rows}
    assert listed == limits(Settings())
    assert all(len(row[2]) > 20 for row in rows)
