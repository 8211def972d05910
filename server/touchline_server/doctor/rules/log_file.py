"""Rules about an embedded log. Pure."""

from collections.abc import Iterator

from touchline_server.doctor.facts import LogFileFacts
from touchline_server.doctor.finding import Finding, Severity


def log_file_findings(facts: LogFileFacts) -> Iterator[Finding]:
    """What keeps a server from using its embedded log."""
    if facts.trouble is not None:
        yield Finding(
            Severity.ERROR,
            "log_file",
            str(facts.path),
            facts.trouble,
            "name another file in log, or correct this one: docs/embedded-log.md",
        )
