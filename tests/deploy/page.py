"""The commands of deploy/*.md and of the pages in docs/ that these link to, and how each is checked."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from deploy.image import ROOT

OWN_PAGES = tuple(ROOT / "deploy" / name for name in ("README.md", "upgrading.md", "runbook.md"))
LINK = re.compile(r"\]\(\.\./docs/([a-z-]+\.md)")
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s+#\s.*$")
PROGRAMS = (
    r"touchline|cheatwatch|docker|kubectl|helm|curl|systemctl|journalctl|kafka-[a-z-]+\.sh|redis-[a-z]+|nginx|haproxy|"
    r"make|pip|python3|openssl|chronyc|sar|useradd|apt-get|env"
)
INLINE = re.compile(rf"`((?:{PROGRAMS}) [^`]+)`")
"""A command in a sentence. One word alone is the name of a program."""

How = Literal["run", "image", "topology", "machine", "kafka", "helm", "kubectl", "elsewhere", "not"]
"""Where a command is carried out: as it stands; by buildah and from the image; in the started topology; in a machine
with systemd; by Kafka's own classes; by Helm; by kubectl without a cluster; by the test of the page that has it; or not
at all."""

CHECKS: tuple[tuple[str, How], ...] = (
    (r"cd deploy/compose", "run"),
    (r"\./make-secrets\.sh", "run"),
    (r"make check-deploy", "run"),
    (r"curl .*http://localhost:8080", "topology"),
    (r"docker compose (exec|restart|build|up) ", "topology"),
    (r"docker compose build", "topology"),
    (r"docker (build|run) |touchline serve --config /etc/touchline.toml$", "image"),
    (r"helm (lint|template)", "helm"),
    (r"kubectl (--namespace live )?create ", "kubectl"),
    (r"kafka-[a-z-]+\.sh ", "kafka"),
    # By tests/project/test_kafka_page.py and tests/auth/test_tokens_page.py, which know each command of their pages.
    (r"touchline (serve .*kafka-spare|serve .*amazonaws|topics --create$|token )|pip install aws", "elsewhere"),
    (r"export TOUCHLINE_AUTH__HS256_SECRET=", "elsewhere"),
    # By tests/loadtest/planner/test_plan_command.py.
    (r"\.venv/bin/python -m touchline_loadtest ", "elsewhere"),
    # They take minutes, and their documents name the machine on which they were run.
    (r"make (loadtest|fleet-run|rolling-restart)", "elsewhere"),
    (r"(KAFKA|SITE|COPIES)=", "machine"),
    (r"(apt-get|useradd|ln|sed|echo|env|export|systemctl|journalctl|install|cp) ", "machine"),
    (r"(python3 -m venv|/opt/touchline/bin/pip install|curl|redis-cli) ", "machine"),
    (r"touchline (topics|doctor|publish|tail|salvage|serve|keeper) ", "machine"),
    (r"cheatwatch verdict ", "machine"),
    # The page says why under "What is not checked".
    (r"(kubectl|helm upgrade|helm rollback|docker compose ps)", "not"),
    (r"(chronyc|sar) ", "not"),
)
"""The first pattern that matches the beginning of a command decides."""


class Command(NamedTuple):
    """A command of a page, with its continued lines."""

    page: Path
    text: str

    @property
    def how(self) -> How | None:
        """How it is checked. None: nobody has said so."""
        return next((how for pattern, how in CHECKS if re.match(pattern, self.text)), None)

    @property
    def words(self) -> list[str]:
        """What a shell makes of it, without its expansions."""
        return shlex.split(self.text)


def pages() -> list[Path]:
    """The pages of deploy/, and those that they link to."""
    linked = {name for page in OWN_PAGES for name in LINK.findall(page.read_text("utf-8"))}
    return [*OWN_PAGES, *(ROOT / "docs" / name for name in sorted(linked))]


def commands() -> Iterator[Command]:
    """All commands of the pages, in order: those in blocks, then those in sentences."""
    for page in pages():
        text = page.read_text("utf-8")
        for found in (*block_commands(text), *inline_commands(text)):
            yield Command(page, found)


def block_commands(text: str) -> Iterator[str]:
    """The commands in the blocks of a page, or of a part of one, in order; continued lines are one."""
    for _, block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip():
                yield re.sub(r"\s+", " ", COMMENT.sub("", line.strip()))


def inline_commands(text: str) -> Iterator[str]:
    """The commands in the sentences of a page, but for those with an ellipsis, and names such as `touchline serve`."""
    for found in INLINE.findall(re.sub(r"\s+", " ", FENCED.sub("", text))):
        if "…" not in found and not re.fullmatch(r"(touchline|cheatwatch) [a-z]+", found):
            yield found


def commands_checked(how: How) -> list[Command]:
    """The commands that are checked in one way."""
    return [each for each in commands() if each.how == how]
