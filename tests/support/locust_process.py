"""Runs Locust as its users do: in a process of its own, since importing it patches the whole process for gevent."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from support.processes import environment

LOCUSTFILE = Path(__file__).parents[2] / "loadtest" / "locustfile.py"


class LocustRun(NamedTuple):
    """What a run left: its exit code, what it printed, and the rows of its table by name."""

    code: int
    output: str
    rows: dict[str, dict[str, Any]]

    def count(self, row: str) -> int:
        """How many observations a row has."""
        return int(self.rows[row]["num_requests"]) if row in self.rows else 0

    @property
    def failures(self) -> set[str]:
        """The names of the rows that have failures."""
        return {name for name, row in self.rows.items() if row["num_failures"]}


async def run_locust(folder: Path, *args: str, locustfile: Path = LOCUSTFILE, cwd: Path | None = None) -> LocustRun:
    """Run ``locust --headless`` to its end. It leaves its statistics in ``folder``."""
    file = folder / "stats"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--only-summary"),
        *("--json-file", str(file), *args),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={name: value for name, value in environment().items() if not name.startswith("LOCUST_")},
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    stats = file.with_suffix(".json")
    rows = json.loads(stats.read_text()) if stats.exists() else []
    return LocustRun(process.returncode, output.decode(), {row["name"]: row for row in rows})
