"""Writes observations into Locust's statistics.

Times go in by `StatsEntry.extend`, by which a master adds up what its workers send: the table, the charts and the
percentiles are those of single ``request`` events, and an event costs 8 us less, of 43 (measured). So a listener to
``request`` hears of failures only. Failures are rare and go in as ``request`` events with an exception.
"""

import logging
import time
from collections import defaultdict

from locust.env import Environment
from locust.stats import RequestStats, StatsEntry, bucket_response_time

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.findings import TEXTS
from touchline_loadtest.runs.records import Sample

from .batch import Batch, Batches
from .samples import samples
from .thresholds import Table

FLUSH_S = 1.0
"""How late the table may be, and the time between samples. Locust's own page asks every two seconds."""
TYPE = "live"
"""The type of all rows with times, in Locust's table."""
CHARTED = (rows.EVENT, rows.EVENT_STREAM)
"""The rows whose times are in the total, which Locust's charts show: a few seconds' age of events that somebody had
missed would hide the latency of all others."""
CHECK = "check"
"""The type of the rows of findings."""

log = logging.getLogger("touchline.loadtest")


class Stats:
    """The statistics of one process: `touchline_loadtest.locust.observe.findings.Measures`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._batches = Batches(bucket_response_time)
        self._breaches: list[Breach] = []
        self._failures = 0
        self._connections = 0
        self._flushed_s = time.monotonic()
        self.duration = self._batches.add
        self.event = self._batches.add

    def connections(self, change: int) -> None:
        """A connection was opened (1) or has ended (-1)."""
        self._connections += change

    def failure(self, name: str, ms: float, text: str) -> None:
        """Something failed after ``ms``."""
        self._fail(TYPE, name, ms, text)

    def breach(self, breach: Breach, cause: str = "") -> None:
        """A promise was broken."""
        log.warning("%s", breach)
        self._breaches.append(breach)
        self._fail(CHECK, breach.kind, None, cause or TEXTS[breach.kind])

    def flush(self) -> tuple[list[Sample], list[Breach]]:
        """Add what was observed since the last call to Locust's statistics; returns it for the run folder."""
        batches = self._batches.take()
        stats, now_s = self._environment.stats, time.time()
        for name, batch in batches.items():
            stats.entries[name, TYPE].extend(_entry(stats, name, batch, now_s))
            stats.total.extend(_entry(stats, name, batch if name in CHARTED else _untimed(batch), now_s))
        seconds = time.monotonic() - self._flushed_s
        self._flushed_s += seconds
        breaches, self._breaches = self._breaches, []
        failures, self._failures = self._failures, 0
        return samples(
            batches, at_ms=now_s * 1000, seconds=seconds, connections=self._connections, failures=failures
        ), breaches

    def table(self) -> Table:
        """Locust's table as thresholds read it."""
        stats = self._environment.stats
        times = {name: entry.response_times for (name, kind), entry in stats.entries.items() if kind == TYPE}
        return Table(times, sum(entry.num_failures for entry in stats.entries.values()))

    def _fail(self, kind: str, name: str, ms: float | None, text: str) -> None:
        self._failures += 1
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=kind, name=name, response_time=ms, response_length=0, exception=text, context={}
        )


def _untimed(batch: Batch) -> Batch:
    """The same number of observations, without their times."""
    untimed = Batch()
    untimed.count = batch.count
    untimed.bytes = batch.bytes
    return untimed


def _entry(stats: RequestStats, name: str, batch: Batch, now_s: float) -> StatsEntry:
    entry = StatsEntry(stats, name, TYPE)
    entry.start_time = entry.last_request_timestamp = now_s
    entry.num_requests = batch.count
    entry.num_none_requests = batch.count - sum(batch.buckets.values())
    entry.total_response_time = batch.total_ms  # type: ignore[assignment]  # Locust's are floats too
    entry.min_response_time = batch.min_ms if batch.buckets else None  # type: ignore[assignment]  # Locust's are floats too
    entry.max_response_time = batch.max_ms  # type: ignore[assignment]  # Locust's are floats too
    entry.total_content_length = batch.bytes
    entry.response_times = batch.buckets
    entry.num_reqs_per_sec = defaultdict(int, {int(now_s): batch.count})
    return entry
