"""A run as the report needs it, wherever it was read from. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from touchline_loadtest.runs.records import Breach, Mark, RunInfo, Sample


@dataclass(frozen=True)
class Run:
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
        return max(self._times_ms, default=self.info.began_ms)

    @cached_property
    def load_ms(self) -> tuple[float, float]:
        """When the load began and ended, which is what charts show: from the first sample or mark to the last one.

        Before that, servers start; afterwards, the log is read and compared. Without samples and marks, it is the
        whole run.
        """
        times = self._times_ms
        return (min(times), max(times)) if times else (self.info.began_ms, self.ended_ms)

    @cached_property
    def _times_ms(self) -> list[float]:
        times = [sample.at_ms for samples in self.samples for sample in samples]
        return [*times, *(at for mark in self.marks for at in (mark.at_ms, mark.end_ms) if at is not None)]
