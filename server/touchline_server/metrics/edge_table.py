"""The metrics of an edge's core: deliveries, latencies, clients, actions and catch-ups."""

from collections.abc import Mapping
from typing import Any

from touchline_protocol import codes
from touchline_server.core.admission.limits import Limit
from touchline_server.core.counters.edge import ACKED, BY_SERVER, FROM_LOG, FROM_STATE, FROM_WINDOW
from touchline_server.core.counters.histogram import CLIENTS, EVENTS, LATENCY_MS
from touchline_server.core.edge import EdgeCore
from touchline_server.core.rooms.partition_window import PartitionWindow

from .metric import Kind, Metric, Over, counter, counters, gauge, gauges, seconds, sizes, snapshot
from .snapshot import Sample, Snapshot


def windows(core: EdgeCore[Any]) -> list[PartitionWindow]:
    """The windows of all partitions."""
    return [window for feed in core.hub.feeds.values() for window in feed.windows.values()]


def _clients(core: EdgeCore[Any]) -> Mapping[str, float]:
    clients, lagging = len(core.clients), len(core.lagging)
    return {"greeting": core.connections - clients, "lagging": lagging, "live": max(0, clients - lagging)}


def core_memory(core: EdgeCore[Any]) -> Mapping[str, float]:
    """The bytes that a core holds, by part."""
    return {
        "windows": sum(window.bytes for window in windows(core)),
        "state": sum(room.contents.state_bytes for room in core.hub.rooms.values()),
        "pending": core.pending_bytes,
        "replays": core.replays.kept_bytes,
    }


def _ended(core: EdgeCore[Any]) -> list[Sample]:
    known = dict.fromkeys(((BY_SERVER, close.name) for close in codes.CLOSES.values()), 0)
    return [Sample(labels, count) for labels, count in {**known, **core.counters.connections.ended}.items()]


def edge_snapshot(core: EdgeCore[Any]) -> Snapshot:
    """The metrics of a core."""
    core.counters.sort()
    return snapshot(EDGE_METRICS, core)


EDGE_METRICS: tuple[Metric[EdgeCore[Any]], ...] = (
    # From the log to the clients.
    counters(
        "touchline_records_read_total",
        "topic",
        "Records read from the log after the worker had caught up with it. Each worker reads all records.",
        lambda core: core.counters.records.read,
    ),
    counters(
        "touchline_records_skipped_total",
        "reason",
        "Records skipped because they are neither events nor verdicts.",
        lambda core: core.counters.records.skipped,
    ),
    counter(
        "touchline_deliveries_total",
        "Events written to clients by flushes: each event counts once for each client.",
        lambda core: core.counters.flushes.deliveries,
    ),
    counter(
        "touchline_delivered_bytes_total",
        "Bytes written to clients by flushes, without TLS.",
        lambda core: core.counters.flushes.written_bytes,
    ),
    seconds(
        "touchline_event_latency_seconds",
        "Time from a record's timestamp until it was read, and until it was written to the first and the last client.",
        LATENCY_MS,
        lambda core: {
            "read": core.counters.records.read_ms,
            "first_write": core.counters.flushes.first_ms,
            "last_write": core.counters.flushes.last_ms,
        },
        "stage",
    ),
    seconds(
        "touchline_edge_latency_seconds",
        "Time from reading a record until it was written to the first and the last client, by a single clock.",
        LATENCY_MS,
        lambda core: {
            "first_write": core.counters.flushes.own_first_ms,
            "last_write": core.counters.flushes.own_last_ms,
        },
        "stage",
    ),
    sizes(
        "touchline_flush_clients", "Clients that a flush wrote to.", CLIENTS, lambda core: core.counters.flushes.clients
    ),
    sizes("touchline_flush_events", "Events combined in a flush.", EVENTS, lambda core: core.counters.flushes.events),
    # Connections and clients.
    gauge(
        "touchline_connections",
        "Connections, including those that have not sent anything yet.",
        lambda core: core.connections,
    ),
    gauge(
        "touchline_connections_max",
        "The most connections that are accepted.",
        lambda core: core.limits.connections_max,
    ),
    counter(
        "touchline_connections_accepted_total",
        "Connections accepted, including those that were then refused.",
        lambda core: core.counters.connections.accepted,
    ),
    counters(
        "touchline_connections_refused_total",
        "reason",
        "Connections refused before they opened, by the setting whose limit was reached or the code of the response.",
        lambda core: core.counters.connections.refused,
        tuple(Limit),
    ),
    Metric(
        "touchline_connections_closed_total",
        Kind.COUNTER,
        "Open connections that ended, by the side that ended them and the code.",
        _ended,
        ("by", "code"),
    ),
    gauges(
        "touchline_clients",
        "state",
        "Clients that are greeting, live, or lagging: these take no data now, or are catching up afterwards.",
        _clients,
    ),
    counter("touchline_welcomes_total", "Clients welcomed.", lambda core: core.counters.clients.welcomed),
    counters(
        "touchline_errors_total",
        "code",
        "Errors sent to clients, by code.",
        lambda core: core.counters.clients.errors,
    ),
    # Rooms.
    gauge("touchline_rooms", "Rooms in memory.", lambda core: len(core.hub.rooms), Over.MAX),
    gauge(
        "touchline_subscriptions",
        "Clients in rooms: a client counts once for each of its rooms.",
        lambda core: sum(room.members for room in core.hub.rooms.values()),
    ),
    counter("touchline_joins_total", "Rooms joined by clients.", lambda core: core.counters.clients.joins),
    counters(
        "touchline_catch_ups_total",
        "source",
        "Times that a client was brought up to date in a room in which it had missed something.",
        lambda core: core.counters.clients.caught_up,
        (FROM_WINDOW, FROM_LOG, FROM_STATE),
    ),
    gauge("touchline_replays_waiting", "Catch-ups that wait for the log.", lambda core: core.replays.waiting),
    gauge(
        "touchline_replays_running", "Reads of the log for catch-ups in progress.", lambda core: core.replays.under_way
    ),
    counters(
        "touchline_replay_reads_total",
        "outcome",
        "Reads of the log for catch-ups, by outcome.",
        lambda core: core.counters.reads.log_reads,
        ("found", "not_found", "unavailable"),
    ),
    seconds(
        "touchline_replay_read_seconds",
        "Time that a read of the log for catch-ups took.",
        LATENCY_MS,
        lambda core: {"": core.counters.reads.log_ms},
    ),
    counters(
        "touchline_room_loads_total",
        "outcome",
        "Rooms loaded from the room store, by outcome.",
        lambda core: core.counters.reads.room_loads,
        ("found", "not_found", "not_yet", "unavailable"),
    ),
    gauge(
        "touchline_room_loads_waiting", "Rooms that are being loaded or wait to be.", lambda core: core.loads.waiting
    ),
    gauge(
        "touchline_rooms_unloaded",
        "Rooms that clients have joined without their older state.",
        lambda core: core.loads.unloaded,
    ),
    # Players.
    counters(
        "touchline_actions_total",
        "outcome",
        "Actions of players: ack, or the code of the nack.",
        lambda core: core.counters.actions.outcomes,
        (ACKED, *codes.NACKS),
    ),
    seconds(
        "touchline_action_ack_seconds",
        "Time from an action until the log had it.",
        LATENCY_MS,
        lambda core: {"": core.counters.actions.ack_ms},
    ),
    gauge("touchline_actions_waiting", "Actions that the log does not have yet.", lambda core: core.actions.waiting),
    gauge(
        "touchline_actions_available",
        "1 while actions are taken, 0 while all are refused.",
        lambda core: core.actions.unavailable is None,
        Over.MIN,
    ),
    gauge("touchline_action_sessions", "Action sessions in memory.", lambda core: len(core.actions.sessions)),
    counters(
        "touchline_verdicts_enforced_total",
        "kind",
        "Verdicts sent to clients.",
        lambda core: core.counters.clients.verdicts,
        ("warning", "mute", "ban"),
    ),
    gauge(
        "touchline_verdicts_standing",
        "Players with a mute or a ban in force.",
        lambda core: len(core.access.verdicts),
        Over.MAX,
    ),
    # Presence.
    gauge(
        "touchline_presence_rooms",
        "Rooms whose presence clients ask about.",
        lambda core: core.presence.asked_rooms,
    ),
    gauge(
        "touchline_presence_complete",
        "1 while presence numbers are those of the whole fleet, 0 while they are marked as incomplete.",
        lambda core: core.presence.is_complete,
        Over.MIN,
    ),
)
