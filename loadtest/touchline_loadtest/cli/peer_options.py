"""The commands about peers share their options, the broker, the cores, and how they write results."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import check_writable
from touchline_loadtest.peers.sections import with_section
from touchline_loadtest.peers.shapes.entries import Entry
from touchline_loadtest.runs.records import RunInfo, SummaryRow
from touchline_loadtest.runs.versions import versions
from touchline_loadtest.runs.writer import RunWriter, check_new
from touchline_protocol.errors import OperatorError

MS = 1000
"""Milliseconds of a second."""
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Peers to measure; all by default.")]
Json = Annotated[Path, typer.Option(metavar="FILE", help="Where to write the results.")]
Markdown = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="The document whose section is replaced.")
]
List = Annotated[bool, typer.Option("--list", help="List the peers and exit.")]
RunFolder = Annotated[Path | None, typer.Option("--run", metavar="FOLDER", help="A new run folder to write.")]


def prepare(files: int, console: Console) -> Bench:
    """Raise the limit of open files, and take a core for the clients.

    Raises:
        OperatorError: the system's limit is lower.
    """
    machine.need_files(files)
    cores = machine.choose_cores()
    machine.pin(0, cores.clients)
    return Bench(cores, say=lambda text: console.print(text, style="dim", highlight=False, soft_wrap=True))


def list_entries(entries: Iterable[Entry], console: Console) -> None:
    """Print the peers of a shape, those that need a broker too."""
    for entry in entries:
        needs = ["takes events from Kafka, so it needs --kafka"] if entry.from_kafka else []
        text = "; ".join([*filter(None, [entry.settings]), *needs])
        console.print(f"{entry.name:20} {entry.peer.package}{text and ': '}{text}", highlight=False, soft_wrap=True)


class Files(NamedTuple):
    """Where the results go. Of the document ``markdown``, a run replaces the section with this name."""

    json: Path
    markdown: Path | None
    run: Path | None
    section: str

    def check(self) -> None:
        """Find out now, and not after the run, whether they can be written.

        Raises:
            OperatorError: one of them cannot, or the document has no such section.
        """
        check_writable(self.json)
        if self.run is not None:
            check_new(self.run)
        if self.markdown is not None:
            check_writable(self.markdown)
            _replaced(self.markdown, self.section, "")

    def write(self, document: object, table: str, rows: Sequence[SummaryRow], info: RunInfo) -> None:
        """Write those that were asked for."""
        self.write_results(document, table)
        if self.run is not None:
            with RunWriter.create(self.run, info) as writer:
                writer.finish(time.time() * MS, rows)

    def write_results(self, document: object, table: str) -> None:
        """Write the results alone: the run folder was written during the run."""
        self.json.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
        if self.markdown is not None:
            self.markdown.write_text(_replaced(self.markdown, self.section, table), "utf-8")


def _replaced(path: Path, section: str, content: str) -> str:
    try:
        before = path.read_text("utf-8") if path.exists() else ""
        return with_section(before, section, content)
    except UnicodeError as error:
        raise OperatorError(f"{path} is not text: {error}") from error


def run_info(name: str, settings: object) -> RunInfo:
    """What a run folder says about a run that begins now."""
    return RunInfo(
        name=name,
        kind="peers",
        began_ms=time.time() * MS,
        versions=versions(),
        machine=machine.describe(),
        settings=msgspec.to_builtins(settings),
    )
