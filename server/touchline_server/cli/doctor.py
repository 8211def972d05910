"""``touchline doctor``: check a configuration against the real Kafka, the real Redis and this machine.

It changes nothing, and needs no running server: run it where the server will run, as the user that it will run as.
"""

from typing import Annotated

import typer

from touchline_cli.output import write_line
from touchline_cli.run import run_to_end
from touchline_server.config.loading import load_settings
from touchline_server.doctor.examination import examine
from touchline_server.doctor.finding import Severity
from touchline_server.doctor.report import as_json, as_text
from touchline_server.server_log.setup import command_notes

from .exit_codes import NOT_FOUND
from .options import ConfigOption, LogOption


def doctor(
    config: ConfigOption = None,
    log: LogOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
) -> None:
    """Check a configuration against Kafka, Redis and this machine.

    Run it where the server will run, as the same user and with the same configuration. Findings come in the order of
    their importance, each with what to do about it. The exit code is 1 if there is an error, else 0.
    """
    settings = load_settings(config, {"log": log})
    with command_notes():
        findings = run_to_end(examine(settings))
    write_line((as_json(findings) if json else as_text(findings)).encode())
    worst = Severity.WARNING if strict else Severity.ERROR
    if any(finding.severity <= worst for finding in findings):
        raise typer.Exit(NOT_FOUND)
