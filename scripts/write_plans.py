#!/usr/bin/env python3
"""Write the output of the plans in docs/capacity.md below their commands. They change with the measured costs.

Usage: scripts/write_plans.py [--check]
With ``--check`` it writes nothing, and exits with 1 if a plan is not as written.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "capacity.md"
PLAN = re.compile(r"(```sh\n\.venv/bin/python (.*)\n```\n\n```text\n)(?:[^`].*\n|\n)*?(```\n)")
"""A command alone in its block, and the block with its output."""
COLUMNS = "110"


def planned(match: re.Match[str]) -> str:
    """A command with its output."""
    done = subprocess.run(  # noqa: S603 - the commands of our own document
        [sys.executable, *shlex.split(match[2])],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": COLUMNS, "PYTHONIOENCODING": "utf-8"},
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return match[1] + "\n".join(lines) + "\n" + match[3]


def main() -> int:
    """Write the document, or compare it."""
    before = DOCUMENT.read_text("utf-8")
    after = PLAN.sub(planned, before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    DOCUMENT.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
