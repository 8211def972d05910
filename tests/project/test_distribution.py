"""The contents of the wheel and of the source distribution, which are built for the test."""

import tarfile
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from support.distribution import ROOT
from touchline_protocol.version import __version__

PACKAGES = {
    "touchline_protocol": ROOT / "protocol/touchline_protocol",
    "touchline_kafka": ROOT / "protocol/touchline_kafka",
    "touchline_cli": ROOT / "protocol/touchline_cli",
    "touchline_server": ROOT / "server/touchline_server",
    "touchline": ROOT / "clients/python/touchline",
    "touchline_cheatwatch": ROOT / "clients/cheatwatch/touchline_cheatwatch",
    "touchline_demo": ROOT / "clients/demo/touchline_demo",
}


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"touchline-{__version__}-py3-none-any.whl"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_file_of_a_package(wheel: Path, package: str) -> None:
    folder = PACKAGES[package]
    files = {f"{package}/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()}
    wanted = {name for name in files if "__pycache__" not in name}
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith(f"{package}/")}
    assert held == wanted
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= held


def test_the_wheel_asks_an_sdk_user_for_two_packages_only(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        metadata = PathDistribution(ZipPath(archive, f"touchline-{__version__}.dist-info/"))
        requirements = [Requirement(line) for line in metadata.requires or []]
        scripts = {entry.name for entry in metadata.entry_points if entry.group == "console_scripts"}
    assert {requirement.name for requirement in requirements if requirement.marker is None} == {"msgspec", "websockets"}
    assert scripts == {"touchline", "cheatwatch"}


def test_the_wheel_names_its_licence_and_carries_it(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        metadata = archive.read(f"touchline-{__version__}.dist-info/METADATA").decode()
        licence = archive.read(f"touchline-{__version__}.dist-info/licenses/LICENSE").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert licence == (ROOT / "LICENSE").read_text("utf-8")


def test_the_source_distribution_has_the_files_for_packagers(dist: Path) -> None:
    with tarfile.open(dist / f"touchline-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "clients/js/src/index.ts"} <= names
    assert {name for name in names if "node_modules" in name or name.startswith("clients/js/dist/")} == set()
