"""What an edge counts."""

from collections import Counter
from collections.abc import Sequence

from touchline_protocol.records import Record

from .histogram import CLIENTS, EVENTS, LATENCY_MS, Histogram

FROM_WINDOW, FROM_LOG, FROM_STATE = "window", "log", "state"
"""Where what a client had missed came from: all of it from memory; some from the log; or it started over."""

BY_SERVER, BY_CLIENT, BY_NETWORK = "server", "client", "network"
"""The parties that can end a connection; the network, if it broke without a close frame."""

ACKED = "ack"
"""The outcome of an action that the log has."""


class RecordCounters:
    """Records of the topics that an edge reads, once it has read what was there when it started.

    ``read_ms``: from a record's timestamp until it was read.
    """

    __slots__ = ("read", "read_ms", "skipped")

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.read_ms = Histogram(LATENCY_MS)

    def take(self, topic: str, records: Sequence[Record], now_ms: int) -> None:
        """Records were read at ``now_ms``, in Unix milliseconds."""
        self.read[topic] += len(records)
        for record in records:
            self.read_ms.observe(now_ms - record.timestamp)


class FlushCounters:
    """Flushes of rooms.

    ``deliveries``: events times the clients that they were written to. ``first_ms`` and ``last_ms``: from the oldest
    record's timestamp until the flush was written to its first and to its last client; ``own_first_ms`` and
    ``own_last_ms``: the same from when the edge read that record, all by one clock.
    """

    __slots__ = (
        "clients", "deliveries", "events", "first_ms", "last_ms", "own_first_ms", "own_last_ms", "written_bytes"
    )  # fmt: skip

    def __init__(self) -> None:
        self.deliveries = 0
        self.written_bytes = 0
        self.clients = Histogram(CLIENTS)
        self.events = Histogram(EVENTS)
        self.first_ms = Histogram(LATENCY_MS)
        self.last_ms = Histogram(LATENCY_MS)
        self.own_first_ms = Histogram(LATENCY_MS)
        self.own_last_ms = Histogram(LATENCY_MS)


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
    """All that an edge counts. ``clients`` and ``actions`` belong to parts that the core is given."""

    __slots__ = ("actions", "clients", "connections", "flushes", "reads", "records")

    def __init__(self, clients: ClientCounters, actions: ActionCounters) -> None:
        self.clients = clients
        self.actions = actions
        self.connections = ConnectionCounters()
        self.records = RecordCounters()
        self.flushes = FlushCounters()
        self.reads = ReadCounters()
