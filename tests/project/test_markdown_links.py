"""Links between the Markdown files of the repository lead somewhere: to a file or folder, and to a heading in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "docs/", "docs/guides/", "protocol/", "clients/*/", "deploy/", "loadtest/", "tests/")
FILES = sorted(file for folder in FOLDERS for file in ROOT.glob(f"{folder}*.md"))

FENCED_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:")


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives to the headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED_BLOCK.sub("", markdown)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        repeated = sum(
            other == anchor or re.fullmatch(rf"{re.escape(anchor)}-\d+", other) is not None for other in found
        )
        found.add(f"{anchor}-{repeated}" if anchor in found else anchor)
    return found


def links(markdown: str) -> Iterator[str]:
    """The targets of the links within the repository."""
    for target in LINK.findall(CODE.sub("", FENCED_BLOCK.sub("", markdown))):
        if not ELSEWHERE.match(target):
            yield target


def is_broken(file: Path, link: str) -> bool:
    """Whether a link in a file leads to nothing."""
    path, _, anchor = unquote(link).partition("#")
    target = file.parent / path if path else file
    return not target.exists() or (bool(anchor) and anchor not in anchors(target.read_text("utf-8")))


def test_anchors_are_those_of_github() -> None:
    markdown = "# What is `here`, and what's not?\n## A\n```sh\n# a comment\n```\n## A\n### [See](x.md) 0.1.0: b_c\n"
    assert anchors(markdown) == {"what-is-here-and-whats-not", "a", "a-1", "see-010-b_c"}


def test_links_in_code_and_to_other_sites_do_not_count() -> None:
    assert list(links("[a](b.md#c) `[a](x)` [d](https://host/)\n```\n[a](y)\n```\n[`e`](#f)\n")) == ["b.md#c", "#f"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(file: Path) -> None:
    assert [link for link in links(file.read_text("utf-8")) if is_broken(file, link)] == []
