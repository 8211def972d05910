"""The metrics of a process, as all client libraries of Prometheus name them. /proc has those of other processes too."""

from collections.abc import Callable, Iterable

from prometheus_client.process_collector import ProcessCollector

from .metric import Kind, Metric, Over
from .snapshot import Sample, Snapshot


def _metric(name: str, meaning: str, over: Over = Over.SUM, kind: Kind = Kind.GAUGE) -> Metric[dict[str, float]]:
    def read(values: dict[str, float]) -> Iterable[Sample]:
        return (Sample((), values[name]),) if name in values else ()

    return Metric(name, kind, meaning, read, over=over)


PROCESS_METRICS = (
    _metric("process_cpu_seconds_total", "CPU time used, by user and system.", kind=Kind.COUNTER),
    _metric("process_resident_memory_bytes", "Memory in RAM."),
    _metric("process_virtual_memory_bytes", "Virtual memory."),
    _metric("process_open_fds", "Open files."),
    _metric("process_max_fds", "The limit of open files.", Over.MIN),
    _metric("process_start_time_seconds", "When the process started, in Unix seconds.", Over.MIN),
)


def process_snapshot(pid: Callable[[], int | str] = lambda: "self") -> Snapshot:
    """The metrics of a process; none if there is no such process any more."""
    families = ProcessCollector(pid=pid, registry=None).collect()
    values = {sample.name: sample.value for family in families for sample in family.samples}
    return {metric.name: list(metric.read(values)) for metric in PROCESS_METRICS}
