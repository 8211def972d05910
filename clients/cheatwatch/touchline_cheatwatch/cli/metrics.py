"""What the service has seen so far, as metrics for Prometheus."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from touchline_cheatwatch.clocks.comparison import STEP_MS, ClockNotice
from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.types import Now, PlayerAction, RuleFailure
from touchline_protocol.errors import OperatorError
from touchline_protocol.version import __version__

LATENCY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
"""The same as those of an edge's latencies."""


class Reads(NamedTuple):
    """What was read so far.

    ``skipped`` counts records by the kind of topic they are in, ``duplicates`` the actions that had come before.
    ``lags`` are the offsets that are not processed yet, by topic and partition, ``answer_ages_s`` how long ago Kafka
    last answered about the topics of events and verdicts.
    """

    skipped: Mapping[str, int]
    duplicates: int
    lags: Mapping[tuple[str, int], int]
    answer_ages_s: Mapping[tuple[str, int], float]


class Metrics:
    """The metrics. ``reads`` returns what was read so far; another thread calls it."""

    def __init__(self, engine: Engine, reads: Callable[[], Reads]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # edges and keepers have no such series either
        self._registry = registry = CollectorRegistry()
        self._actions = Counter("cheatwatch_actions", "Actions judged.", registry=registry)
        self._findings = Counter("cheatwatch_findings", "Findings.", ["rule"], registry=registry)
        self._failures = Counter("cheatwatch_rule_failures", "Exceptions in rules.", ["rule"], registry=registry)
        self._verdicts = Counter("cheatwatch_verdicts", "Verdicts written.", ["kind"], registry=registry)
        self._latency = Histogram(
            "cheatwatch_action_latency_seconds",
            "Time from an action's arrival at its edge to its judgement.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._clocks = engine.clocks
        self._set_back = Counter(
            "cheatwatch_clocks_set_back", "Times that an edge's clock went back.", ["edge"], registry=registry
        )
        for name, text, value in (
            ("players", "Players remembered.", lambda: engine.players),
            ("judgements_waiting", "Judgements that wait for events.", lambda: engine.waiting),
        ):
            Gauge(f"cheatwatch_{name}", text, registry=registry).set_function(value)
        registry.register(_ReadAtScrape(engine, reads))
        ProcessCollector(registry=registry)
        build = Gauge(
            "touchline_build_info",
            "1, under the versions of Touchline and Python.",
            ["version", "python"],
            registry=registry,
        )
        build.labels(__version__, platform.python_version()).set(1)

    @property
    def registry(self) -> CollectorRegistry:
        """What is served."""
        return self._registry

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Serve the metrics over HTTP in a thread; returns a function that stops it.

        Raises:
            OperatorError: the port is not available.
        """
        try:
            server, thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise OperatorError(f"--metrics-port {port}: {error.strerror or error}") from None

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def judged(self, actions: Sequence[PlayerAction], now: Now) -> None:
        """These actions were judged now."""
        self._actions.inc(len(actions))
        for action in actions:
            lead_ms = self._clocks.lead_ms((action.edge, action.clock))
            if lead_ms is not None and abs(lead_ms) >= STEP_MS:
                continue  # the difference would be one of clocks
            self._latency.observe((now.unix_ms - action.received_ms) / 1000)

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """These are the outcomes."""
        for outcome in outcomes:
            if isinstance(outcome, RuleFailure):
                self._failures.labels(outcome.rule).inc()
                continue
            if isinstance(outcome, ClockNotice):
                if outcome.set_back_ms:
                    self._set_back.labels(outcome.edge).inc()
                continue
            self._findings.labels(outcome.rule).inc()
            if outcome.verdict is not None:
                self._verdicts.labels(outcome.verdict.kind).inc()


class _ReadAtScrape(Collector):
    """What others count, read when somebody asks. An edge's clock appears once it could be compared."""

    def __init__(self, engine: Engine, reads: Callable[[], Reads]) -> None:
        self._engine = engine
        self._reads = reads

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        reads = self._reads()
        yield CounterMetricFamily(
            "cheatwatch_judgements_expired",
            "Judgements that waited too long for events and were given up.",
            self._engine.unjudged,
        )
        yield CounterMetricFamily(
            "cheatwatch_action_duplicates",
            "Actions dropped because the same session and id had come before.",
            reads.duplicates,
        )
        skipped = CounterMetricFamily(
            "cheatwatch_records_skipped", "Invalid records skipped, by the kind of topic.", labels=["topic"]
        )
        for topic, count in reads.skipped.items():
            skipped.add_metric([topic], count)
        yield skipped
        behind = GaugeMetricFamily(
            "cheatwatch_log_lag_records",
            "Offsets of a partition in Kafka that were not processed yet, as of the newest answer about it.",
            labels=["topic", "partition"],
        )
        for (topic, partition), lag in reads.lags.items():
            behind.add_metric([topic, str(partition)], lag)
        yield behind
        ages = GaugeMetricFamily(
            "cheatwatch_log_answer_age_seconds",
            "Time since Kafka last answered about a partition of events or verdicts.",
            labels=["topic", "partition"],
        )
        for (topic, partition), age_s in reads.answer_ages_s.items():
            ages.add_metric([topic, str(partition)], age_s)
        yield ages
        ahead = GaugeMetricFamily(
            "cheatwatch_edge_clock_ahead_seconds",
            "How far an edge's clock is ahead of this computer's.",
            labels=["edge"],
        )
        for edge, ms in self._engine.clocks.ahead_ms().items():
            ahead.add_metric([edge], ms / 1000)
        yield ahead
