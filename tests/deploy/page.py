"""The commands of deploy/README.md and deploy/upgrading.md, and how each is checked."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from deploy.image import ROOT

PAGES = (ROOT / "deploy/README.md", ROOT / "deploy/upgrading.md")
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

How = Literal["run", "image", "topology", "helm", "files", "not"]
"""Where a command is carried out: as it stands; by buildah and from the image; in the started topology; by Helm; on the
files that it copies or installs; or not at all."""

CHECKS: tuple[tuple[str, How], ...] = (
    (r"cd deploy/compose", "run"),
    (r"\./make-secrets\.sh", "run"),
    (r"curl ", "topology"),
    (r"docker compose exec ", "topology"),
    (r"docker compose restart ", "topology"),
    (r"docker compose up --build --detach --wait", "topology"),
    (r"docker compose (build|up --detach)", "topology"),
    (r"docker build ", "image"),
    (r"docker run ", "image"),
    (r"helm (lint|template) ", "helm"),
    (r"/opt/touchline/bin/touchline doctor ", "topology"),
    # The Dockerfile does the same, from the same files.
    (r"/opt/touchline/bin/pip install ", "image"),
    (r"python3 -m venv ", "files"),
    (r"(install|cp) ", "files"),
    # The page says why under "What is not checked".
    (r"(kubectl|helm upgrade) ", "not"),
    (r"(systemctl|useradd|sysctl) ", "not"),
)
"""The first pattern that matches the beginning of a command decides."""


class Command(NamedTuple):
    """A command of a page, with its continued lines."""

    page: Path
    text: str

    @property
    def how(self) -> How:
        """How it is checked."""
        return next(how for pattern, how in CHECKS if re.match(pattern, self.text))

    @property
    def words(self) -> list[str]:
        """What a shell makes of it, without its expansions."""
        return shlex.split(self.text)


def commands() -> Iterator[Command]:
    """All commands of the pages, in order."""
    for page in PAGES:
        for text in block_commands(page.read_text("utf-8")):
            yield Command(page, text)


def block_commands(text: str) -> Iterator[str]:
    """The commands in the blocks of a page, or of a part of one, in order; continued lines are one."""
    for _, block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip():
                yield re.sub(r"\s+", " ", line.strip())


def commands_checked(how: How) -> list[Command]:
    """The commands that are checked in one way."""
    return [each for each in commands() if each.how == how]
