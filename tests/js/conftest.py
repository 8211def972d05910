"""Fixtures for the tests of what runs in browsers and Node. They share the event loop of the browser: the session's."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from js.package import build_package
from support.browser import browser
from support.made_once import made_once
from support.session_loop import run_in_session_loop
from support.web_folder import served

__all__ = ["browser"]  # a fixture

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_session_loop(items, HERE)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the built package of the TypeScript SDK, and with pages for `site`."""

    def build(folder: Path) -> None:
        asyncio.run(build_package(folder))
        shutil.copy(HERE / "sdk_page.html", folder)
        (folder / "empty.html").touch()

    return made_once(tmp_path_factory, "js-package", build)


@pytest.fixture(scope="session")
def site(package: Path) -> Iterator[str]:
    """The address of a page that has the package, for `js.sdk_page`."""
    with served(package) as address:
        yield f"{address}/sdk_page.html"
