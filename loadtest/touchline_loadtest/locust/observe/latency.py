"""How long an event took, by the clocks of two machines. Pure.

The publish time is the event's ``ts`` (milliseconds, the record's timestamp), or a field of its data with Unix
nanoseconds, if the feed carries one. It is by the clock of the producer (or of the broker, with ``LogAppendTime``),
while the arrival is by the clock of this machine. If this clock is ahead by d, each latency is too long by d. If it is
behind, each is too short: what would be negative counts as 0, and is counted, since it proves a skew.
"""

from touchline_protocol.messages import Event

NS_PER_MS = 1_000_000


class LatencyMeter:
    """Computes latencies. ``early_count`` events arrived before they were published, by ``early_ms_max`` at most."""

    __slots__ = ("_field", "early_count", "early_ms_max")

    def __init__(self, field: str | None = None) -> None:
        self.early_count = 0
        self.early_ms_max = 0.0
        self._field = field

    def early(self, count: int, ms_max: float) -> None:
        """This many events were early, by ``ms_max`` at most, here or in another process."""
        self.early_count += count
        self.early_ms_max = max(self.early_ms_max, ms_max)

    def latency_ms(self, event: Event, arrived_ns: int) -> float:
        """Milliseconds from the publish time to ``arrived_ns`` (Unix nanoseconds)."""
        published_ns = event.ts * NS_PER_MS
        if self._field is not None and isinstance(event.data, dict):
            noted_ns = event.data.get(self._field)
            if isinstance(noted_ns, int):
                published_ns = noted_ns
        latency_ms = (arrived_ns - published_ns) / NS_PER_MS
        if latency_ms < 0:
            self.early(1, -latency_ms)
            return 0.0
        return latency_ms
