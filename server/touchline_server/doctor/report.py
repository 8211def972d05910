"""Findings as text for people, and as JSON for programs. Pure."""

import json
from collections import Counter
from collections.abc import Sequence

from touchline_protocol.printable import counted, escaped

from .finding import Finding, Severity

NOTHING = "Nothing is wrong."


def as_text(findings: Sequence[Finding]) -> str:
    """One paragraph for each finding, and a last line that counts them."""
    paragraphs = [paragraph(finding) for finding in findings]
    counts = Counter(finding.severity for finding in findings)
    total = ", ".join(counted(counts[severity], severity.word) for severity in Severity if counts[severity])
    return "\n".join([*paragraphs, total or NOTHING])


def paragraph(finding: Finding) -> str:
    """One finding: the problem, and the cure on a second line."""
    found = f"{finding.severity.word}: {escaped(finding.subject)}: {escaped(finding.text).removesuffix('.')}."
    return f"{found}\n  {escaped(finding.cure)}  [{finding.code}]"


def as_json(findings: Sequence[Finding]) -> str:
    """An object with ``findings``, in the same order."""
    rows = [{**finding._asdict(), "severity": finding.severity.word} for finding in findings]
    return json.dumps({"findings": rows}, indent=2)
