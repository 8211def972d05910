"""Settings that are valid one by one, and do not work together.

The command line logs each of them at the start, by name. None of them is an error: the operator may know better.

Rules: pure. The caller passes in how much memory there is.
"""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import NamedTuple

from touchline_protocol.limits import (
    ACTION_RESEND_S_MAX,
    EVENT_VALUE_BYTES_MAX,
    RECENT_BYTES_MAX,
    TOKEN_CHARS_MAX,
)
from touchline_server.web.addresses import Networks

from .drain import DRAIN_S_MAX, RECONNECTS_PER_SECOND, STOP_AFTER_DRAIN_S, drain_time_s, reconnect_time_s
from .settings import Settings
from .tables import JWKS_SPACING_S

MESSAGE_BYTES_BESIDES = 1024
"""A message besides its data or its token: names of fields, and a room name of 161 characters, each escaped."""

PROXY_IDLE_S = 60.0
"""nginx cuts a connection on which nothing was sent for this long (``proxy_read_timeout``), HAProxy earlier."""

SERVER_MESSAGE_BYTES_MAX = 16 << 20
"""The largest message that the Python client takes from a server. Libraries with a smaller limit are common, with a
larger one rare."""

WINDOW_EVENTS_MIN = 4
"""Times the largest event that a window should hold: as a value and as a frame in both encodings, and a second one."""

CONNECTION_BYTES = 4 * 1024
"""What an idle connection in one room takes, measured: `memory` in docs/performance.md."""
REPLAY_BYTES = 1 << 20
"""What a catch-up that reads the log takes: a chunk of records."""
WAITING_ACTION_BYTES = 1024
"""What an action takes that waits for the log."""
RECORD_BYTES_BESIDES = 2 * 1024
"""A record besides its data: its key and headers, the names in an action's value, and the batch around it."""


class Conflict(NamedTuple):
    """What does not work together: ``options`` by name, and a message with their values and a cure.

    ``topic`` is the one whose own options are involved, empty if there is none; ``record_bytes_min`` is what it should
    take.
    """

    options: tuple[str, ...]
    message: str
    topic: str = ""
    record_bytes_min: int = 0


def conflicts(settings: Settings, memory_bytes: int | None = None) -> list[Conflict]:
    """The conflicts in ``settings``, on a machine with this much memory; None if that is unknown."""
    return [
        *_of_proxies(settings),
        *_of_the_drain(settings),
        *_of_messages(settings),
        *_of_times(settings),
        *_of_actions(settings),
        *_of_rooms(settings),
        *_of_presence(settings),
        *_of_keepers(settings),
        *_of_kafka(settings),
        *_of_memory(settings, memory_bytes),
    ]


def topic_conflicts(settings: Settings, record_bytes_max: Mapping[str, int | None]) -> list[Conflict]:
    """The conflicts of ``settings`` with topics, given the largest record that each topic takes, if that is known."""
    needs = {feed.topic: (f"feeds.{name}.topic", EVENT_VALUE_BYTES_MAX) for name, feed in settings.feeds.items()}
    needs[settings.actions.topic] = ("actions.data_bytes_max", settings.actions.data_bytes_max)
    return [
        Conflict(
            (option, "max.message.bytes"),
            f"data of {data} bytes is allowed, and the topic {topic} takes records of {most} (max.message.bytes), "
            "which is too little for them: the largest would be refused",
            topic,
            data + RECORD_BYTES_BESIDES,
        )
        for topic, (option, data) in needs.items()
        if (most := record_bytes_max.get(topic)) is not None and most < data + RECORD_BYTES_BESIDES
    ]


def _of_presence(settings: Settings) -> Iterator[Conflict]:
    if settings.presence.records and settings.redis.url is None and not settings.log.startswith("sqlite:"):
        yield Conflict(
            ("presence.records", "redis.url"),
            "this edge records the presence of its own clients alone: with another edge on the same Kafka, rooms would "
            "be recorded as empty that are not. Set redis.url, unless this is the only edge",
        )


def _of_keepers(settings: Settings) -> Iterator[Conflict]:
    kept_s = settings.keeper.room_idle_s
    if settings.redis.url is not None and settings.window_s > kept_s:
        yield Conflict(
            ("window_s", "keeper.room_idle_s"),
            f"keepers forget a room {kept_s:g} s after its newest event, and edges have events of up to "
            f"{settings.window_s:g} s: the state of such a room would lack its older keys, and look complete",
        )


def _of_kafka(settings: Settings) -> Iterator[Conflict]:
    kafka = settings.kafka
    files = {"kafka.ca_file": kafka.ca_file, "kafka.cert_file": kafka.cert_file}
    if not kafka.tls and (unused := [option for option, file in files.items() if file is not None]):
        yield Conflict(
            (*unused, "kafka.tls"),
            f"{' and '.join(unused)} mean nothing without TLS, so Kafka is reached unencrypted: set kafka.tls = true",
        )


def _of_proxies(settings: Settings) -> Iterator[Conflict]:
    proxies = settings.admission.trusted_proxies
    if everybody := [entry for entry in proxies if Networks([entry]).has_everybody]:
        yield Conflict(
            ("admission.trusted_proxies",),
            f"{', '.join(everybody)} trusts everybody: any client can name another address than its own, and limits "
            "per address mean nothing. List the proxies alone",
        )


def _of_the_drain(settings: Settings) -> Iterator[Conflict]:
    clients = settings.connections_max
    needed_s, granted_s = reconnect_time_s(clients), drain_time_s(settings.drain_s, clients)
    if granted_s == 0 or granted_s >= needed_s:  # 0 asks nobody to reconnect
        return
    cure = 'set drain_s = "auto"'
    if needed_s > DRAIN_S_MAX:
        stop_s = ceil(settings.drain_grace_s + needed_s + STOP_AFTER_DRAIN_S)
        cure = f"set drain_s = {ceil(needed_s)}, and let the stop take {stop_s} s"
    yield Conflict(
        ("drain_s", "connections_max"),
        f"a drain of {granted_s:g} s sends {clients} clients away at {clients / granted_s:.0f} per second, "
        f"and another edge lets in about {RECONNECTS_PER_SECOND}: {cure}",
    )


def _of_messages(settings: Settings) -> Iterator[Conflict]:
    largest, data = settings.message_bytes_max, settings.actions.data_bytes_max
    if data + MESSAGE_BYTES_BESIDES > largest:
        yield Conflict(
            ("actions.data_bytes_max", "message_bytes_max"),
            f"a client that sends {data} bytes of data is closed, since its message is larger than {largest}: "
            f"allow {MESSAGE_BYTES_BESIDES} bytes more than the data",
        )
    if settings.auth.has_keys and largest < TOKEN_CHARS_MAX + MESSAGE_BYTES_BESIDES:
        yield Conflict(
            ("message_bytes_max", "auth"),
            f"a hello with a token of up to {TOKEN_CHARS_MAX} characters does not fit in a message of {largest} bytes",
        )


def _of_times(settings: Settings) -> Iterator[Conflict]:
    heartbeat_s, retry_s = settings.heartbeat_s, settings.actions.retry_s
    if heartbeat_s >= PROXY_IDLE_S:
        yield Conflict(
            ("heartbeat_s",),
            f"proxies may cut connections that are quiet for {heartbeat_s:g} s: many do so after {PROXY_IDLE_S:g} s, "
            "some after 30",
        )
    if settings.auth.jwks and settings.auth.jwks_refresh_s < JWKS_SPACING_S:
        yield Conflict(
            ("auth.jwks_refresh_s",),
            f"a key set is read every {JWKS_SPACING_S:g} s at most, not every {settings.auth.jwks_refresh_s:g} s",
        )
    if retry_s >= ACTION_RESEND_S_MAX:
        yield Conflict(
            ("actions.retry_s",),
            f"clients give an action up after {ACTION_RESEND_S_MAX} s, so after {retry_s:g} s none is sent again",
        )


def _of_actions(settings: Settings) -> Iterator[Conflict]:
    burst, window, waiting_max = settings.actions.burst, settings.actions.window, settings.actions.waiting_max
    if burst < window:
        yield Conflict(
            ("actions.burst", "actions.window"),
            f"a client that comes back sends up to {window} actions at once, and only {burst} are taken: "
            f"set burst to {window} at least",
        )
    if waiting_max < window:
        yield Conflict(
            ("actions.waiting_max", "actions.window"),
            f"{waiting_max} actions may wait on all connections together, fewer than the {window} offered to each",
        )


def _of_rooms(settings: Settings) -> Iterator[Conflict]:
    state, window, event = settings.state_bytes_max, settings.window_bytes_max, EVENT_VALUE_BYTES_MAX
    if state < event:
        yield Conflict(
            ("state_bytes_max",),
            f"an event may have {event} bytes, and one of more than {state} is never kept as state",
        )
    if state + RECENT_BYTES_MAX > SERVER_MESSAGE_BYTES_MAX:
        yield Conflict(
            ("state_bytes_max",),
            f"a room's state travels in one message, and one with {state} bytes of it is more than the "
            f"{SERVER_MESSAGE_BYTES_MAX} that many clients take",
        )
    if window < WINDOW_EVENTS_MIN * event:
        yield Conflict(
            ("window_bytes_max",),
            f"an event may have {event} bytes, and as much again in each encoding: a window of {window} bytes may not "
            "hold a single one, and clients read the log instead",
        )


def _of_memory(settings: Settings, memory_bytes: int | None) -> Iterator[Conflict]:
    needs = {
        "connections_max": settings.connections_max * CONNECTION_BYTES,
        "window_bytes_max": settings.window_bytes_max,
        "replay_concurrency": settings.replay_concurrency * REPLAY_BYTES,
        "actions.waiting_max": settings.actions.waiting_max * WAITING_ACTION_BYTES,
    }
    if memory_bytes is None or sum(needs.values()) <= memory_bytes:
        return
    parts = ", ".join(f"{_mib(needed)} for {option}" for option, needed in needs.items())
    yield Conflict(tuple(needs), f"these may need more than the {_mib(memory_bytes)} of this machine: {parts}")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.0f} MiB"
