"""What a keeper counts, and each process that uses Redis."""

from collections import Counter

from .histogram import LATENCY_MS, Histogram


class CallCounters:
    """Calls of a store by outcome. ``ms``: how long they took."""

    __slots__ = ("ms", "outcomes")

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.ms = Histogram(LATENCY_MS)


class KeeperCounters:
    """What a keeper did: ``records`` by topic, ``writes`` of a partition's batch by outcome, and ``builds`` begun."""

    __slots__ = ("builds", "records", "write_ms", "writes")

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.write_ms = Histogram(LATENCY_MS)
        self.builds = 0
