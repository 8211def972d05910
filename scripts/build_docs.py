#!/usr/bin/env python3
"""Builds the site of the documentation from the Markdown files of all folders: `make docs`.

The pages of docs/mkdocs.yml, and every file that they link to, are copied to .cache/docs/pages under the paths that
they have in the repository. So a link works on the site as it does there. A link to a folder becomes its text: a site
has no folders to look into. mkdocs then fails for any link or anchor that leads nowhere (`strict`).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "docs/mkdocs.yml"
PAGES = ROOT / ".cache/docs/pages"
SITE = ROOT / ".cache/docs/site"
LINK = re.compile(r"(!?\[(?:[^][]|\[[^][]*\])*\])\(([^()\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:|#")


def pages(nav: Any) -> Iterator[str]:
    """The paths in the navigation of a site."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for value in nav.values():
            yield from pages(value)
    else:
        for value in nav:
            yield from pages(value)


def gather(paths: list[str]) -> None:
    """Copy these pages, and what they link to, into an empty `PAGES`."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for path in paths:
        source = ROOT / path
        target = PAGES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        linked = partial(_link, source=source, paths=paths)
        target.write_text(LINK.sub(linked, source.read_text("utf-8")), "utf-8")


def _link(found: re.Match[str], source: Path, paths: list[str]) -> str:
    """The link as the site should have it. A file that is not a page is copied."""
    text, target = found.groups()
    if ELSEWHERE.match(target):
        return found[0]
    path, _, anchor = unquote(target).partition("#")
    linked = (source.parent / path).resolve()
    name = linked.relative_to(ROOT).as_posix()
    if linked.is_dir() or (linked.suffix == ".md" and name not in paths):
        return text.removeprefix("[").removesuffix("]")
    if name not in paths:
        copy = PAGES / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(linked, copy)
        return f"{text}({path})" if anchor else found[0]
    return found[0]


def main() -> int:
    """Build the site; returns mkdocs's exit code."""
    configuration = yaml.load(CONFIGURATION.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 - makes text alone
    gather(list(pages(configuration["nav"])))
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(CONFIGURATION), *sys.argv[1:]]
    # Its advertisement for a successor is not a warning about the pages.
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own command
    if code == 0:
        sys.stdout.write(f"Open {SITE / 'index.html'} in a browser.\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
