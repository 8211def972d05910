"""The basis of a release: one version, and lock files that satisfy pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from touchline_protocol.version import __version__

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EDITABLE = PYPROJECT["dependency-groups"]["editable"]
DEV = [entry for entry in PYPROJECT["dependency-groups"]["dev"] if isinstance(entry, str)]
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


def of_extra(name: str) -> list[str]:
    """The requirements of an extra, including those of extras that it names."""
    found: list[str] = []
    for want in EXTRAS[name]:
        requirement = Requirement(want)
        named = requirement.extras if requirement.name == PYPROJECT["project"]["name"] else set()
        found += [inner for extra in named for inner in of_extra(extra)] or [want]
    return found


DEMO = PYPROJECT["project"]["dependencies"] + of_extra("demo")
LOCKS = {"demo": DEMO + EDITABLE, "dev": DEMO + EDITABLE + DEV}


def locked(name: str) -> dict[str, Requirement]:
    """The requirements in a lock file by package; if they differ by Python version, those for the newest."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text("utf-8")
    pins = [Requirement(line.rstrip("\\ ")) for line in text.splitlines() if re.match(r"\w.*==", line)]
    return {pin.name: pin for pin in pins}


def test_the_changelog_begins_with_this_version() -> None:
    top = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert top is not None
    assert top[1] == __version__


@pytest.mark.parametrize(("name", "wanted"), LOCKS.items(), ids=LOCKS.keys())
def test_a_lock_holds_what_pyproject_asks_for(name: str, wanted: list[str]) -> None:
    pins = locked(name)
    stale = [
        str(want)
        for want in map(Requirement, wanted)
        if want.name not in pins or not want.specifier.contains(str(pins[want.name].specifier).removeprefix("=="))
    ]
    assert stale == [], "run: make lock"


def test_the_dev_lock_keeps_to_the_versions_that_users_run() -> None:
    demo, dev = locked("demo"), locked("dev")
    assert {name: pin for name, pin in demo.items() if name not in dev or dev[name].specifier != pin.specifier} == {}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index(name: str) -> None:
    assert "://" not in (ROOT / "requirements" / f"{name}.lock").read_text("utf-8")
