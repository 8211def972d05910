"""Every command of deploy/README.md and deploy/upgrading.md is run by a check, or listed there as one that is not."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.chart import HELM
from deploy.image import ROOT, built_image
from deploy.page import CHECKS, Command, commands, commands_checked

README = (ROOT / "deploy/README.md").read_text("utf-8")


def test_every_command_is_checked_in_one_way_or_listed() -> None:
    assert len(list(commands())) > 40
    unused = [pattern for pattern, _ in CHECKS if not any(re.match(pattern, each.text) for each in commands())]
    assert unused == []
    unchecked = README.partition("What is **not** checked")[2]
    for command in commands_checked("not"):
        words = command.words
        name = " ".join(words[:2]) if words[0] == "helm" else words[0]
        assert f"`{name}" in unchecked, command.text


def test_every_folder_and_page_is_on_the_page() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+?)/?\)", README))
    there = {each.relative_to(ROOT / "deploy").as_posix() for each in (ROOT / "deploy").iterdir()}
    assert {name for name in there - {"README.md", "helm"} if name not in linked} == set()


@pytest.mark.long
@pytest.mark.parametrize("command", commands_checked("helm"), ids=lambda each: each.words[1])
def test_helm_does_what_the_page_says(command: Command) -> None:
    words = command.words
    kubernetes = ("--kube-version", "1.34.0")
    done = subprocess.run([HELM, *words[1:], *kubernetes], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_files_are_installed_as_the_page_says(tmp_path: Path) -> None:
    """In another folder than the machine's own, and without the user, who is not created."""
    for folder in ("etc/systemd/system", "etc/sysctl.d", "etc/security/limits.d", "opt"):
        (tmp_path / folder).mkdir(parents=True)
    for command in commands_checked("files"):
        text = command.text.replace("/root/touchline", str(ROOT)).replace("-g touchline", "")
        text = re.sub(r"(?<=\s)/(etc|opt)/", rf"{tmp_path}/\1/", text)
        done = subprocess.run(text, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "opt/touchline/bin/pip").exists()
    assert (tmp_path / "etc/touchline/touchline.toml").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "etc/systemd/system/touchline-.service.d/10-common.conf").exists()
    assert (tmp_path / "etc/security/limits.d/touchline.conf").exists()


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
