"""What the service saw so far: counted for people (the table), and for Prometheus."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, Histogram, start_http_server
from prometheus_client import Counter as PrometheusCounter

from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.types import Action, Judgement, RuleFailure
from touchline_protocol.errors import OperatorError
from touchline_protocol.verdicts import VerdictRecord

NEWEST_SHOWN = 12
RATE_SLICES = 10
"""The rate that is shown is that of so many of the newest seconds."""
LAG_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Tally:
    """Counts. `rate` is in actions a second."""

    def __init__(self) -> None:
        self.actions = 0
        self.findings: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.newest: deque[tuple[Judgement, VerdictRecord]] = deque(maxlen=NEWEST_SHOWN)
        self._slices: deque[tuple[int, int]] = deque(maxlen=RATE_SLICES)

    def judged(self, actions: Sequence[Action]) -> None:
        """These actions were judged just now."""
        self.actions += len(actions)
        second = int(time.monotonic())
        if self._slices and self._slices[-1][0] == second:
            self._slices[-1] = (second, self._slices[-1][1] + len(actions))
        else:
            self._slices.append((second, len(actions)))

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """This came of it."""
        for outcome in outcomes:
            if isinstance(outcome, RuleFailure):
                self.failures[outcome.rule] += 1
                continue
            self.findings[outcome.rule] += 1
            if outcome.verdict is not None:
                self.verdicts[outcome.verdict.kind] += 1
                self.newest.appendleft((outcome, outcome.verdict))

    @property
    def rate(self) -> float:
        """Over the newest full seconds."""
        second = int(time.monotonic())
        recent = [count for at, count in self._slices if second - RATE_SLICES < at < second]
        return sum(recent) / (RATE_SLICES - 1)


class Metrics:
    """The same for Prometheus. ``skipped``: how many records were passed over, by the topic they are in; ``copies``:
    how many actions, since they had come before."""

    def __init__(self, engine: Engine, skipped: Callable[[], dict[str, int]], copies: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        self._actions = PrometheusCounter("cheatwatch_actions", "Actions that were judged", registry=registry)
        self._findings = PrometheusCounter("cheatwatch_findings", "Findings", ["rule"], registry=registry)
        self._failures = PrometheusCounter("cheatwatch_rule_failures", "Rules that raised", ["rule"], registry=registry)
        self._verdicts = PrometheusCounter("cheatwatch_verdicts", "Verdicts written", ["kind"], registry=registry)
        self._lag = Histogram(
            "cheatwatch_lag_seconds",
            "From an action at its edge until it is judged",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )
        for name, text, value in (
            ("players", "Players that are remembered", lambda: engine.players),
            ("waiting", "Judgements that wait for events", lambda: engine.waiting),
            ("unjudged", "Judgements that waited for events too long and were given up", lambda: engine.unjudged),
            ("copies", "Actions that were left out, since one of the same session and id came before", copies),
        ):
            Gauge(f"cheatwatch_{name}", text, registry=registry).set_function(value)
        passed_over = Gauge(
            "cheatwatch_skipped_records", "Records that are not what they should be", ["topic"], registry=registry
        )
        for topic in skipped():
            passed_over.labels(topic).set_function(partial(lambda name: skipped()[name], topic))

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Serve them over HTTP in a thread; returns what stops it.

        Raises:
            OperatorError: the port cannot be had.
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

    def judged(self, actions: Sequence[Action], now_ms: int) -> None:
        """These actions were judged at ``now_ms``."""
        self._actions.inc(len(actions))
        for action in actions:
            self._lag.observe((now_ms - action.received_ms) / 1000)

    def found(self, outcomes: Sequence[Outcome]) -> None:
        """This came of it."""
        for outcome in outcomes:
            if isinstance(outcome, RuleFailure):
                self._failures.labels(outcome.rule).inc()
                continue
            self._findings.labels(outcome.rule).inc()
            if outcome.verdict is not None:
                self._verdicts.labels(outcome.verdict.kind).inc()
