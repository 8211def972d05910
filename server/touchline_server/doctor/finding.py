"""One thing that the doctor found, and how findings are ordered. Pure."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How bad a finding is; the worst has the lowest number."""

    ERROR = 0
    """The server does not start, or something that it promises does not work."""
    WARNING = 1
    """It works, until there is more load, a fault, or an attacker."""
    NOTE = 2
    """Worth knowing. Nothing has to be done."""

    @property
    def word(self) -> str:
        """The severity in reports."""
        return self.name.lower()


class Finding(NamedTuple):
    """``code`` names the kind, and stays the same over versions. ``subject`` is what has it: a topic, or a setting.

    ``text`` describes the problem and why it matters. ``cure`` is what to do about it.
    """

    severity: Severity
    code: str
    subject: str
    text: str
    cure: str


def by_importance(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first. Those that are equally bad stay in the order in which the rules found them."""
    return sorted(findings, key=lambda finding: finding.severity)
