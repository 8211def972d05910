"""The metrics of publishing over HTTP, which the control plane counts."""

from collections import Counter

from .metric import Metric, counters

PUBLISHED = "ok"
"""The outcome of events that are in the log."""

PUBLISH_METRICS: tuple[Metric[Counter[str]], ...] = (
    counters(
        "touchline_publish_requests_total",
        "outcome",
        "Requests to publish over HTTP, by outcome: ok, or the code of the refusal.",
        lambda outcomes: outcomes,
        (PUBLISHED,),
    ),
)
