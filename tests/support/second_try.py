"""A pytest plugin: with CI=true, a test with processes, brokers or browsers that fails runs once more.

On a developer's machine such a test fails at once, and its cause is looked for: until now it was a defect of
Touchline as often as one of the test. CI's answer only decides whether a change lands, and nobody can look at its
machine. There, a second failure is what counts, and the first is printed in full at the end, as a defect to be fixed.
Pure tests depend on nothing that could differ the second time, so they never run twice.
"""

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that may run twice: `support.order` has found out which need something outside their process."""
    if os.environ.get("CI") == "true":
        for item in items:
            if item.get_closest_marker("outside"):
                item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the failures after which a test ran again."""
    reports: list[pytest.TestReport] = terminalreporter.stats.get("rerun", [])
    for report in reports:
        terminalreporter.section(f"failed at first: {report.nodeid}", sep="_", red=True)
        terminalreporter.line(report.longreprtext)
