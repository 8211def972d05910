"""``report``: one self-contained HTML page of any run, and images of its charts for documents."""

from pathlib import Path
from typing import Annotated

import typer

from touchline_cli.run import unwinding_on_signals
from touchline_loadtest.report.images import find_browser, write_images
from touchline_loadtest.report.page import render
from touchline_loadtest.report.sources.load import load
from touchline_protocol.errors import OperatorError
from touchline_protocol.printable import counted

PAGE = "report.html"
MB = 1_000_000

Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="A run folder, the JSON file of bench, or a _stats_history.csv of Locust.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The page; report.html in the run folder by default.")
]
Png = Annotated[Path | None, typer.Option(metavar="DIR", help="Also write each chart as a PNG; needs Chromium.")]
Browser = Annotated[Path | None, typer.Option(metavar="PATH", help="Chromium or Chrome, if it is not found.")]


def report(run: Run, output: Output = None, png: Png = None, browser: Browser = None) -> None:
    """Write a page about a run, with charts. It needs no network and no other files."""
    found = load(run)
    # Before the work, so that a missing browser is noticed at once.
    program = find_browser(browser) if png is not None else None
    page = render(found)
    path = output or (run / PAGE if run.is_dir() else run.with_name(PAGE))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.write_text(page, "utf-8")
    except OSError as error:
        raise OperatorError(f"cannot write {path}: {error.strerror or error}") from error
    typer.echo(f"Report written to {path} ({written / MB:.1f} MB)")
    if png is not None and program is not None:
        with unwinding_on_signals():
            images = write_images(page, png, program)
        typer.echo(f"{counted(len(images), 'image')} written to {png}")
