"""A pytest plugin: where CI is set, a test that was skipped or may fail (xfail) is a failure.

On somebody's own machine a test may be skipped for want of a program. CI has them all, so a skip there is a promise
that nobody checked. tests/conftest.py loads it: `pytest_plugins = ["no_skips"]`.
"""

import os
from collections.abc import Generator

import pytest

REASON = "CI skips nothing and expects no failure, and this test was skipped or expected to fail:"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a test's skip a failure."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a whole file's skip (`importorskip`, `allow_module_level`) a failure."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.skipped:
        report.outcome = "failed"
        # An expected failure has this attribute, and pytest does not count one among the failures while it has.
        expected = report.__dict__.pop("wasxfail", "")
        report.longrepr = f"{REASON} {expected}\n{report.longreprtext}"
