"""The operator's page in a browser. The tests run in the session's event loop, as the browser does."""

from pathlib import Path

import pytest
import pytest_asyncio

from support.browser import browser

__all__ = ["browser"]  # a fixture

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
