"""Every command of deploy/*.md, and of pages that these link to, is run by a check, or listed as one that is not."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy.chart import HELM
from deploy.image import CACHE, ROOT, built_image
from deploy.page import CHECKS, Command, block_commands, commands, commands_checked, inline_commands, pages

HELM_COMMANDS = [each for each in commands_checked("helm") if len(each.words) > 2]
README = (ROOT / "deploy/README.md").read_text("utf-8")


def test_every_command_of_the_pages_is_checked_in_some_way() -> None:
    assert len(list(commands())) > 80
    assert {page.name for page in pages()} >= {"runbook.md", "proxies.md", "kafka.md", "fleet.md", "operations.md"}
    assert [f"{each.page.name}: {each.text}" for each in commands() if each.how is None] == []


def test_every_way_of_checking_is_used() -> None:
    unused = [pattern for pattern, _ in CHECKS if not any(re.match(pattern, each.text) for each in commands())]
    assert unused == []


def test_commands_that_are_not_checked_are_listed_on_the_page() -> None:
    unchecked = README.partition("What is **not** checked")[2]
    for command in commands_checked("not"):
        words = command.words
        name = " ".join(words[:2]) if words[0] == "helm" else words[0]
        assert f"`{name}" in unchecked, command.text


def test_a_command_that_nobody_knows_is_noticed() -> None:
    text = "Run `touchline topics --config x`, or:\n\n```sh\nreboot now \\\n  --force  # really\n```\n"
    found = [*block_commands(text), *inline_commands(text)]
    assert found == ["reboot now --force", "touchline topics --config x"]
    assert [Command(Path("x.md"), each).how for each in found] == [None, "machine"]


def test_every_folder_and_page_is_on_the_page() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+?)/?\)", README))
    there = {each.relative_to(ROOT / "deploy").as_posix() for each in (ROOT / "deploy").iterdir()}
    assert {name for name in there - {"README.md", "helm"} if name not in linked} == set()


@pytest.mark.long
@pytest.mark.parametrize("command", HELM_COMMANDS, ids=lambda each: each.words[1])
def test_helm_does_what_the_page_says(command: Command) -> None:
    done = subprocess.run([HELM, *command.words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def created_by(command: Command) -> Any:
    """The object that kubectl would send to a cluster."""
    text = f"{command.text} --dry-run=client --output=json"
    path = f"{CACHE / 'bin'}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "KUBECONFIG": "/dev/null"}
    done = subprocess.run(text, shell=True, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.long
def test_kubectl_creates_what_the_example_of_the_chart_refers_to() -> None:
    namespace, secret = [created_by(each) for each in commands_checked("kubectl")]
    example = yaml.safe_load((ROOT / "deploy/helm/example.yaml").read_text("utf-8"))
    references = [each for role in example["secrets"].values() for each in role.values()]
    assert {each["secret"] for each in references} == {secret["metadata"]["name"]}
    assert {each["key"] for each in references} == secret["data"].keys()
    assert secret["metadata"]["namespace"] == namespace["metadata"]["name"]


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_image_runs_what_the_page_shows() -> None:
    """The edge with an embedded log, and the build, are in test_image.py."""
    image = built_image()
    shown = [each.words for each in commands_checked("image") if each.words[-1] == "--help"]
    assert len(shown) == 2
    for words in shown:
        ended = image.container(*words[words.index("touchline:local") + 1 :]).run(60)
        assert ended.returncode == 0, ended.stderr
