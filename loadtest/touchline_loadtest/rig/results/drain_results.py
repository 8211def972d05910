"""The result of a load test whose edges drained: how evenly their clients left, and how each came back. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from touchline_loadtest.checks.drains import CLIENTS_MIN, SHARE_MAX, TENTHS, Drain
from touchline_loadtest.runs.records import Sample, SummaryRow
from touchline_loadtest.runs.series import RECONNECTS, quantile

BIN_MS = 200.0
"""The width of a point in the chart: the shortest drain takes ten of them."""


def drain_rows(drains: Sequence[Drain]) -> Iterator[SummaryRow]:
    """The rows of each drain."""
    for number, drain in enumerate(drains, 1):
        group = f"drain {number}: {drain.edge}"
        clients = len(drain.left_ms)
        share = 100 * drain.largest_share
        judged = clients >= CLIENTS_MIN
        yield SummaryRow("clients that were sent away", clients, group=group)
        yield SummaryRow(
            f"largest share of them in a {TENTHS}th of the time",
            round(share, 1),
            "%",
            f"<= {100 * SHARE_MAX:g}" if judged else "",
            share <= 100 * SHARE_MAX if judged else None,
            group,
        )
        for what, found in (("sent away twice", drain.twice), ("refused when they came back", drain.refused)):
            yield SummaryRow(f"clients {what}", len(found), "", "0", not found, group)
        yield SummaryRow("clients that did not come back", len(drain.gone), group=group)
        if drain.away_ms:
            away = sorted(drain.away_ms)
            yield SummaryRow("without a connection, p99", round(quantile(away, 0.99), 1), "ms", group=group)
            yield SummaryRow("without a connection, longest", round(away[-1], 1), "ms", group=group)


def drain_samples(drains: Sequence[Drain]) -> list[Sample]:
    """How many clients left per second, over the time of each drain: what the chart shows."""
    found: list[Sample] = []
    for drain in drains:
        if not drain.left_ms:
            continue
        bins = Counter(int((at - drain.began_ms) // BIN_MS) for at in drain.left_ms)
        for number in range(-1, max(bins) + 2):
            at_ms = drain.began_ms + (number + 0.5) * BIN_MS
            rate = bins.get(number, 0) * 1000 / BIN_MS
            found.append(Sample(at_ms, RECONNECTS, rate, "/s", {"edge": drain.edge}))
    return found
