"""The outcomes as tables for documents, and as rows of a run. Pure."""

from collections.abc import Mapping, Sequence

from touchline_loadtest.runs.records import SummaryRow
from touchline_protocol.printable import counted

from .avalanche import Report
from .many_rooms import Sizes as ManySizes
from .many_rooms import Standing
from .outcome import Delays, Outcome, share

NOT_MEASURED = "not measured"
AVALANCHE_HEADINGS = (
    "peer",
    "delivered",
    "clients that lack events",
    "of them not told",
    "returns caught up",
    "replay p50, ms",
    "p99, ms",
    "max, ms",
    "twice",
    "out of order",
)
MANY_ROOMS_HEADINGS = (
    "peer",
    "version",
    "p50, ms",
    "p99, ms",
    "max, ms",
    "deliveries per s and core",
    "server's core",
    "clients' core",
    "producer late, max ms",
    "lost",
)


def avalanche_document(report: Report) -> str:
    """A table for each phase, and a list of the configurations."""
    sizes, plan = report.sizes, report.plan
    lines = [
        f"{report.began}, {_facts(report.machine)}: {counted(sizes['clients'], 'client')} per peer in"
        f" {counted(sizes['rooms'], 'room')},"
        f" {sizes['rate_hz']:g} events/s of {sizes['event_bytes']} bytes in each; an outage of {plan.outage_s:g} s"
        + (f", with {counted(plan.outage_events, 'more event')} in each room." if plan.outage_events else "."),
        "",
    ]
    for phase, outcomes in report.phases.items():
        lines += [f"**{phase.capitalize()}**", "", _line(AVALANCHE_HEADINGS), _rule(AVALANCHE_HEADINGS)]
        lines += [_line([f"`{name}`", *_avalanche_cells(found)]) for name, found in outcomes.items()]
        lines += [""]
    lines += [f"- `{name}` {report.versions[name]}: {settings}" for name, settings in report.settings.items()]
    lines += [f"- `{name}` was {NOT_MEASURED}: {reason}" for name, reason in report.missing.items()]
    return "\n".join(lines) + "\n"


def many_rooms_document(
    standings: Sequence[Standing], sizes: ManySizes, began: str, machine: Mapping[str, object]
) -> str:
    """The table, and what could not be measured."""
    lines = [
        f"{began}, {_facts(machine)}:",
        f"{counted(sizes.rooms, 'room')}, {sizes.rate_hz:g} events/s of {sizes.event_bytes} bytes in each,"
        f" {counted(sizes.clients, 'client')} in {counted(sizes.rooms_each, 'room')} each, {sizes.seconds:g} s.",
        "",
        _line(MANY_ROOMS_HEADINGS),
        _rule(MANY_ROOMS_HEADINGS),
        *(_line([f"`{one.name}`", one.version, *_many_rooms_cells(one)]) for one in standings),
        "",
        *(f"- `{one.name}` was {NOT_MEASURED}: {one.missing}" for one in standings if one.missing),
    ]
    return "\n".join(lines) + "\n"


def avalanche_summary(report: Report) -> list[SummaryRow]:
    """The numbers of all phases, as rows of a run."""
    rows = [SummaryRow(NOT_MEASURED, reason, group=name) for name, reason in report.missing.items()]
    for phase, outcomes in report.phases.items():
        for name, found in outcomes.items():
            rows.append(SummaryRow(f"{phase}: delivered", found.delivered_percent, "%", group=name))
            rows.append(SummaryRow(f"{phase}: clients that lack events", found.losers, group=name))
            rows.append(SummaryRow(f"{phase}: of them not told", found.unaware, group=name))
            rows += _delay_rows(f"{phase}: replay", found.replay_ms, name)
    return rows


def many_rooms_summary(standings: Sequence[Standing]) -> list[SummaryRow]:
    """The numbers of all peers, as rows of a run."""
    rows: list[SummaryRow] = []
    for one in standings:
        if one.found is None:
            rows.append(SummaryRow(NOT_MEASURED, one.missing, group=one.name))
            continue
        rows += _delay_rows("event latency", one.found.late_ms, one.name)
        rows.append(SummaryRow("deliveries per core", one.found.per_core_hz, "/s", group=one.name))
        rows.append(SummaryRow("events lost", one.found.lost, group=one.name))
    return rows


def _avalanche_cells(found: Outcome) -> list[str]:
    return [
        share(found),
        f"{found.losers:,}",
        f"{found.unaware:,}",
        f"{found.caught_up:,} of {found.returns:,}",
        *_delays(found.replay_ms),
        f"{found.duplicates:,}",
        f"{found.out_of_order:,}",
    ]


def _many_rooms_cells(one: Standing) -> list[str]:
    found = one.found
    if found is None:
        return [NOT_MEASURED, *[""] * (len(MANY_ROOMS_HEADINGS) - 3)]
    return [
        *_delays(found.late_ms),
        f"{found.per_core_hz:,.0f}",
        f"{found.server_cores:.0%}",
        f"{found.clients_core:.0%}",
        f"{found.publish_late_ms_max:,.0f}",
        f"{found.lost:,}",
    ]


def _delay_rows(what: str, found: Delays | None, group: str) -> list[SummaryRow]:
    if found is None:
        return []
    values = (("p50", found.p50), ("p99", found.p99), ("max", found.max))
    return [SummaryRow(f"{what} {name}", value, "ms", group=group) for name, value in values]


def _delays(found: Delays | None) -> list[str]:
    return ["-"] * 3 if found is None else [f"{value:,.1f}" for value in (found.p50, found.p99, found.max)]


def _facts(machine: Mapping[str, object]) -> str:
    return f"{machine['cpu']}, {machine['system']}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(headings: Sequence[str]) -> str:
    return _line(["---", *["--:"] * (len(headings) - 1)])
