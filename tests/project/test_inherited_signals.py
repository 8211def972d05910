"""Programs that tests start get signals, also where the tests run in the background or under nohup."""

import signal
from collections.abc import Iterator

import pytest

from support.inherited_signals import SIGNALS

pytest_plugins = ["pytester"]

SOURCE = """
import os, subprocess

def test_it():
    os.kill(os.getpid(), {number})
    assert subprocess.run(["sh", "-c", "kill -{number} $$"]).returncode == -{number}
"""


@pytest.fixture(params=SIGNALS, ids=lambda number: number.name)
def ignored(request: pytest.FixtureRequest) -> Iterator[int]:
    before = signal.signal(request.param, signal.SIG_IGN)
    yield request.param
    signal.signal(request.param, before)


@pytest.mark.outside
def test_a_signal_that_the_tests_ignore_ends_a_program_that_they_start(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ignored: int
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(SOURCE.format(number=int(ignored)))
    pytester.runpytest("-p", "support.inherited_signals").assert_outcomes(passed=1)
    assert signal.getsignal(ignored) is signal.SIG_IGN
