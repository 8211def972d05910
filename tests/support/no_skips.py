"""A pytest plugin: with CI=true, a test that is skipped or expected to fail (xfail) counts as a failure.

On a developer's machine, a test may be skipped because a program is missing. CI has all programs, so a test skipped
there is a promise that nobody checked.
"""

import os
from collections.abc import Generator

import pytest

REASON = "CI allows neither skipped tests nor expected failures, but this test is one:"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failure."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped file (`importorskip`, `allow_module_level`) into a failure."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.skipped:
        report.outcome = "failed"
        # Expected failures have this attribute. While it is set, pytest does not count them as failures.
        expected = report.__dict__.pop("wasxfail", "")
        report.longrepr = f"{REASON} {expected}\n{report.longreprtext}"
