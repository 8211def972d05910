"""A run as the report needs it, wherever it was read from. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from touchline_loadtest.runs.records import Breach, Mark, RunInfo, Sample


class Run(NamedTuple):
    """``samples`` has those of each process that wrote some, so that equal series of several can be told apart."""

    info: RunInfo
    samples: Sequence[Sequence[Sample]] = ()
    marks: Sequence[Mark] = ()
    breaches: Sequence[Breach] = ()

    @property
    def ended_ms(self) -> float:
        """The end of the run; if it did not record one, the last time that it did record."""
        if self.info.ended_ms is not None:
            return self.info.ended_ms
        times = [sample.at_ms for samples in self.samples for sample in samples]
        times += [mark.end_ms or mark.at_ms for mark in self.marks]
        return max(times, default=self.info.began_ms)
