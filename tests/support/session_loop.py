"""Has tests run in the event loop of the session, which the browser that they share lives in."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import pytest_asyncio


def run_in_session_loop(items: Iterable[pytest.Item], folder: Path) -> None:
    """Mark the asynchronous tests of a folder. A ``conftest`` calls this once the tests are collected."""
    for item in items:
        if folder in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
