"""A pytest plugin: programs that tests start react to signals, however the tests themselves were started.

A shell has its background jobs ignore SIGINT and SIGQUIT, and nohup its command SIGHUP. Programs inherit that, so under
``make test &`` the Ctrl-C of a test would have no effect, and the test would wait for its deadline.
"""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


@pytest.fixture(scope="session", autouse=True)
def ignored_signals_are_not_inherited() -> Iterator[None]:
    """Catch what is ignored: that has no effect here either, but a program that is started gets the default action."""
    ignored = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, _do_nothing)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
