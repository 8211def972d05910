"""What an edge counts."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from touchline_protocol.records import Record

from .histogram import CLIENTS, EVENTS, LATENCY_MS, UNSORTED_MAX, Histogram

FROM_WINDOW, FROM_LOG, FROM_STATE = "window", "log", "state"
"""Where what a client had missed came from: all of it from memory; some from the log; or it started over."""

BY_SERVER, BY_CLIENT, BY_NETWORK = "server", "client", "network"
"""The parties that can end a connection; the network, if it broke without a close frame."""

ACKED = "ack"
"""The outcome of an action that the log has."""


class RecordCounters:
    """Records of the topics that an edge reads, once it has read what was there when it started.

    ``ages``: records by the milliseconds from their timestamp until they were read, not sorted into ``read_ms`` yet.
    """

    __slots__ = ("ages", "read", "read_ms", "skipped")

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.ages: defaultdict[int, int] = defaultdict(int)
        self.read_ms = Histogram(LATENCY_MS)

    def take(self, topic: str, records: Sequence[Record], now_ms: int) -> None:
        """Records were read at ``now_ms``, in Unix milliseconds."""
        self.read[topic] += len(records)
        ages = self.ages
        for record in records:
            ages[now_ms - record.timestamp] += 1

    def sort(self) -> None:
        """Sort what was taken into buckets."""
        for age_ms, times in self.ages.items():
            self.read_ms.observe(age_ms, times)
        self.ages.clear()


class FlushCounters:
    """Flushes of rooms. They are counted as they are, which takes a fraction of the time, and sorted later.

    ``sizes``: flushes by clients and events. ``latencies``: flushes by the milliseconds since the oldest record was
    read, since its timestamp, and that the writes took.

    From these `sort` makes: ``deliveries``, events times the clients that they were written to; ``first_ms`` and
    ``last_ms``, from the record's timestamp until the flush was written to its first and to its last client; and
    ``own_first_ms`` and ``own_last_ms``, the same from when the edge read that record, by one clock.
    """

    __slots__ = (
        "clients",
        "deliveries",
        "events",
        "first_ms",
        "last_ms",
        "latencies",
        "own_first_ms",
        "own_last_ms",
        "sizes",
        "written_bytes",
    )

    def __init__(self) -> None:
        self.sizes: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.latencies: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        self.written_bytes = 0
        self.deliveries = 0
        self.clients = Histogram(CLIENTS)
        self.events = Histogram(EVENTS)
        self.first_ms = Histogram(LATENCY_MS)
        self.last_ms = Histogram(LATENCY_MS)
        self.own_first_ms = Histogram(LATENCY_MS)
        self.own_last_ms = Histogram(LATENCY_MS)

    def sort(self) -> None:
        """Sort what was counted into buckets."""
        for (clients, events), times in self.sizes.items():
            self.deliveries += clients * events * times
            self.clients.observe(clients, times)
            self.events.observe(events, times)
        for (own_ms, age_ms, took_ms), times in self.latencies.items():
            self.own_first_ms.observe(own_ms, times)
            self.own_last_ms.observe(own_ms + took_ms, times)
            self.first_ms.observe(age_ms, times)
            self.last_ms.observe(age_ms + took_ms, times)
        self.sizes.clear()
        self.latencies.clear()


class ClientCounters:
    """What clients ask for, and what they are told.

    ``joins``: rooms joined. ``caught_up``: times that a client was brought up to date in a room in which it had missed
    something, by source. ``errors``, by code, and ``verdicts``, by kind, were sent.
    """

    __slots__ = ("caught_up", "errors", "joins", "verdicts", "welcomed")

    def __init__(self) -> None:
        self.welcomed = 0
        self.joins = 0
        self.caught_up: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()


class ActionCounters:
    """Actions of players by outcome: `ACKED`, or the nack's code. ``ack_ms``: from an action until the log has it."""

    __slots__ = ("ack_ms", "outcomes")

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.ack_ms = Histogram(LATENCY_MS)


class ReadCounters:
    """What was read for catch-ups: ``log_reads`` and ``room_loads`` by outcome. ``log_ms``: how long the log took."""

    __slots__ = ("log_ms", "log_reads", "room_loads")

    def __init__(self) -> None:
        self.log_ms = Histogram(LATENCY_MS)
        self.log_reads: Counter[str] = Counter()
        self.room_loads: Counter[str] = Counter()


class ConnectionCounters:
    """Connections: those that were ``accepted``, those ``refused`` at the door by reason, and the ends of open ones by
    who ended them and the name of the code.
    """

    __slots__ = ("accepted", "ended", "refused")

    def __init__(self) -> None:
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()


class EdgeCounters:
    """All that an edge counts. ``clients`` and ``actions`` belong to parts that the core is given.

    Call `sort` before reading them, and `tick` periodically.
    """

    __slots__ = ("actions", "clients", "connections", "flushes", "reads", "records")

    def __init__(self, clients: ClientCounters, actions: ActionCounters) -> None:
        self.clients = clients
        self.actions = actions
        self.connections = ConnectionCounters()
        self.records = RecordCounters()
        self.flushes = FlushCounters()
        self.reads = ReadCounters()

    def tick(self) -> None:
        """Sort what waits for it, if that is much."""
        if len(self.records.ages) + len(self.flushes.sizes) + len(self.flushes.latencies) > UNSORTED_MAX:
            self.sort()

    def sort(self) -> None:
        """Sort what was counted as it is into buckets, to be read."""
        self.records.sort()
        self.flushes.sort()
