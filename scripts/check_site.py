#!/usr/bin/env python3
"""Check that the demo's built site is that of its sources, for `make check`. `make site` builds it; this needs no Node.

The built files are committed, so that `make demo` and the wheel need no Node. After a build, --write notes in
`build.json` which sources they come from, and their own hashes: files that were changed by hand, or put together by a
merge, are not what a build gives either.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENTS = ROOT / "clients"
SITE = CLIENTS / "demo" / "touchline_demo" / "site"
BUILD = SITE / "build.json"

SOURCES = (
    CLIENTS / "demo" / "web" / "index.html",
    CLIENTS / "demo" / "web" / "package.json",
    CLIENTS / "demo" / "web" / "public",
    CLIENTS / "demo" / "web" / "src",
    CLIENTS / "demo" / "web" / "tsconfig.json",
    CLIENTS / "demo" / "web" / "vite.config.ts",
    CLIENTS / "js" / "package.json",
    CLIENTS / "js" / "src",
    CLIENTS / "js" / "tsconfig.json",
    CLIENTS / "js" / "tsdown.config.ts",
    CLIENTS / "package-lock.json",
    CLIENTS / "tsconfig.base.json",
)
"""All that the built files depend on: the site, the SDK that is built into it, and the versions of their tools."""
UNUSED = (CLIENTS / "js" / "src" / "react", CLIENTS / "js" / "src" / "msgpack")
"""Entries of the SDK that the site does not import, which a test of this script checks."""


def files_in(path: Path) -> Iterator[Path]:
    """The file at ``path``, or all files below it."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


def hash_of_sources() -> str:
    """One hash of the names and the contents of all sources."""
    digest = hashlib.sha256()
    for path in (file for source in SOURCES for file in files_in(source) if not set(UNUSED) & set(file.parents)):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{hash_of(path)}\0".encode())
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build() -> dict[str, object]:
    """What `build.json` has to say of the sources and the built files as they are now."""
    built = (path for path in files_in(SITE) if path != BUILD)
    return {"sources": hash_of_sources(), "files": {path.relative_to(SITE).as_posix(): hash_of(path) for path in built}}


def main(arguments: list[str]) -> int:
    """Check the site, or note what it was built from."""
    if "--write" in arguments:
        BUILD.write_text(json.dumps(build(), indent=2) + "\n", "utf-8")
    if not BUILD.is_file() or json.loads(BUILD.read_text("utf-8")) != build():
        print(f"{SITE.relative_to(ROOT)} is not what its sources give: run `make site`, and commit what that changes")  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
