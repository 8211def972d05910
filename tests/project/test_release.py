"""The basis of a release: one version, and lock files that satisfy pyproject.toml and the packages of clients/."""

import json
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


NPM_LOCK = json.loads((ROOT / "clients" / "package-lock.json").read_text("utf-8"))["packages"]
WORKSPACES = ("", "js", "demo/web")


def test_the_npm_package_has_this_version_and_the_licence() -> None:
    folder = ROOT / "clients" / "js"
    assert json.loads((folder / "package.json").read_text("utf-8"))["version"] == __version__
    assert (folder / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_the_npm_lock_holds_what_a_workspace_asks_for(workspace: str) -> None:
    manifest = json.loads((ROOT / "clients" / workspace / "package.json").read_text("utf-8"))
    kinds = ("dependencies", "devDependencies", "peerDependencies")
    assert {kind: manifest.get(kind) for kind in kinds} == {kind: NPM_LOCK[workspace].get(kind) for kind in kinds}


def test_the_npm_lock_has_a_hash_of_each_package_and_names_no_registry() -> None:
    packages = {name: entry for name, entry in NPM_LOCK.items() if name.startswith("node_modules/")}
    linked = {name for name, entry in packages.items() if entry.get("link")}
    assert linked == {"node_modules/touchline", "node_modules/touchline-demo-site"}
    assert [name for name in packages.keys() - linked if "integrity" not in packages[name]] == []
    assert [name for name in packages.keys() - linked if "resolved" in packages[name]] == []


def test_packages_of_the_workspaces_have_exact_versions() -> None:
    wanted = [NPM_LOCK[workspace].get("devDependencies", {}) for workspace in WORKSPACES]
    loose = {name for each in wanted for name, version in each.items() if not re.fullmatch(r"\d[\w.-]*", version)}
    assert loose <= {"touchline"}  # our own, from its workspace
