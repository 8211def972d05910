"""The tests that `make test-quick` runs need nothing outside of their process."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.outside  # an audit hook stays, so the tests of it run in a process of their own

CONNECT = "    with socket.socket() as sock:\n        sock.bind(('127.0.0.1', 0))\n"
SAID = f"import socket\n\ndef test_it():\n{CONNECT}"
HIDDEN = f"import asyncio.trsock as a\n\ndef test_it():\n    socket = a.socket\n{CONNECT}"


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeini("[pytest]\nmarkers = outside\n")


@pytest.mark.parametrize(("source", "passed", "failed"), [(SAID, 1, 0), (HIDDEN, 0, 1)], ids=["said", "hidden"])
def test_a_socket_needs_an_import_that_shows_it(
    pytester: pytest.Pytester, source: str, passed: int, failed: int
) -> None:
    pytester.makepyfile(source)
    pytester.runpytest_subprocess("-p", "support.order").assert_outcomes(passed=passed, failed=failed)
