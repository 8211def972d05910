"""Puts a load test into a document of the project: images of its charts, and a section with its numbers."""

import os
from pathlib import Path
from typing import NamedTuple

from touchline_cli.run import unwinding_on_signals
from touchline_loadtest.peers.sections import with_section
from touchline_loadtest.report.images import find_browser, write_images
from touchline_loadtest.runs.reader import RunReader
from touchline_protocol.errors import OperatorError

from .document import PLOTS, section
from .verdict import page_of


class Publication(NamedTuple):
    """Where a result is published: a ``document``, its section ``name``, and a folder for the ``images``."""

    document: Path
    name: str
    images: Path

    def check(self) -> None:
        """Find out before the run whether all is there.

        Raises:
            OperatorError: there is no browser, no such document, or it has no such section.
        """
        find_browser()
        self._replaced("")

    def write(self, folder: Path) -> None:
        """Publish the run in ``folder``."""
        info = RunReader(folder).info
        with unwinding_on_signals():
            drawn = write_images(page_of(folder).read_text("utf-8"), self.images, find_browser())
        for path in drawn:
            if path.stem not in PLOTS:
                path.unlink()
        base = self.document.parent.absolute()
        paths = {path.stem: os.path.relpath(path.absolute(), base) for path in drawn if path.stem in PLOTS}
        self.document.write_text(self._replaced(section(info, info.summary, paths)), "utf-8")

    def _replaced(self, content: str) -> str:
        try:
            return with_section(self.document.read_text("utf-8"), self.name, content)
        except OSError as error:
            raise OperatorError(f"cannot read {self.document}: {error.strerror or error}") from error
