"""A load test as a section of a document: its command, its numbers, its plots. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from touchline_loadtest.runs.records import RunInfo, SummaryRow

from .summary_table import measured_text

PLOTS: Mapping[str, str] = {
    "connections": "Connections",
    "connect-time": "Time to connect",
    "first-state": "Time from a subscribe to the room's state",
    "event-latency": "Event latency, from the record's timestamp",
    "deliveries": "Deliveries per second",
    "cpu": "CPU of each process",
    "memory": "Memory of each process",
}
"""The plots that documents show, by the names of the report's images."""


def section(info: RunInfo, rows: Sequence[SummaryRow], images: Mapping[str, str]) -> str:
    """The section in Markdown. ``images`` has the paths of the plots, by their names."""
    return "\n\n".join(
        [
            _setting(info),
            _table(_measured(rows)),
            _table(_required(rows)),
            *(f"![{text}]({images[name]})" for name, text in PLOTS.items() if name in images),
        ]
    )


def _setting(info: RunInfo) -> str:
    machine = f"{info.machine['cores']} cores ({info.machine['cpu']}), {info.machine['system']}"
    software = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    settings = ", ".join(f"{name}: {value}" for name, value in info.settings.items())
    return f"Everything ran on one machine with {machine}; {software}. Settings: {settings}."


def _measured(rows: Sequence[SummaryRow]) -> Iterable[Sequence[str]]:
    grouped = [row for row in rows if row.group]
    columns = list(dict.fromkeys(row.what for row in grouped))
    yield ["measured", *columns]
    for group in dict.fromkeys(row.group for row in grouped):
        yield [group, *(measured_text(row) for row in grouped if row.group == group)]


def _required(rows: Sequence[SummaryRow]) -> Iterable[Sequence[str]]:
    yield ["required", "bound", "measured", "met"]
    for row in rows:
        if not row.group:
            yield [row.what, row.bound, measured_text(row), {None: "", True: "yes", False: "**no**"}[row.met]]


def _table(lines: Iterable[Sequence[str]]) -> str:
    head, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rest])
