"""The spans of records: an action on its way into the log, and an event on its way to clients.

Both only continue sampled traces, and there is never one per client. Their names and attributes are those of
OpenTelemetry's semantic conventions for messaging.
"""

import time
from collections.abc import Collection, Sequence
from typing import Any

from touchline_protocol import codes
from touchline_protocol.tracing.traceparent import TRACEPARENT, is_sampled, traceparent_headers
from touchline_server.core.clocks import LoopMs, Now
from touchline_server.core.log import Position
from touchline_server.core.players.action_queue import PendingAction
from touchline_server.core.rooms.room import FlushTrace, Traced

from .port import Attributes, Span, Tracer

Headers = Sequence[tuple[str, bytes]]

DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
OFFSET = "messaging.kafka.offset"
MESSAGES = "messaging.batch.message_count"
OPERATION = "messaging.operation.type"
ROOM = "touchline.room"
CLIENTS = "touchline.clients"


class AppendSpans:
    """The spans of a batch of actions, from when each was received until the log has it, by their place in it."""

    def __init__(self, tracer: Tracer, topic: str, batch: Sequence[PendingAction[Any]], now: Now) -> None:
        self._spans: dict[int, Span] = {}
        if not tracer.is_on:
            return
        for index, action in enumerate(batch):
            if action.traceparent is not None and is_sampled(action.traceparent):
                self._spans[index] = tracer.begin(
                    f"send {topic}",
                    "producer",
                    parent=action.traceparent,
                    start_ns=_time_of(action.taken_ms, now.loop_ms),
                    attributes={DESTINATION: topic, OPERATION: "send"},
                )

    def headers(self, index: int, headers: Headers) -> Headers:
        """The headers of an action's record, which continues its span."""
        span = self._spans.get(index)
        if span is None:
            return headers
        others = [header for header in headers if header[0] != TRACEPARENT]
        return [*others, *traceparent_headers(span.traceparent)]

    def end(self, written: int, refused: Collection[int], positions: Sequence[Position] = ()) -> None:
        """The log has the first ``written`` of the batch, except those that it ``refused``."""
        for index, span in self._spans.items():
            if index in refused:
                span.end(error=codes.ACTION_REFUSED.code)
            elif index >= written:
                span.end(error=codes.LOG_UNAVAILABLE.code)
            else:
                span.end(_place(positions[index]) if index < len(positions) else {})


def record_flush(tracer: Tracer, flush: FlushTrace, now_ms: LoopMs) -> None:
    """Record that traced events are with their clients now: one span per trace that comes from one producer's span.

    A batch of events that one request published has one ``traceparent``, so it makes one span in each flush.
    """
    events: dict[str, list[Traced]] = {}
    for traced in flush.traced:
        events.setdefault(traced.traceparent, []).append(traced)
    for traceparent, (first, *others) in events.items():
        event = first.event
        topic = event.window.topic
        attributes = {
            DESTINATION: topic,
            OPERATION: "process",
            **_place(Position(event.window.partition, event.offset)),
            MESSAGES: 1 + len(others),
            ROOM: event.room.name,
            CLIENTS: flush.clients,
        }
        start_ns = _time_of(event.read_ms, now_ms)
        tracer.begin(f"process {topic}", "consumer", parent=traceparent, start_ns=start_ns, attributes=attributes).end()


def _place(position: Position) -> Attributes:
    return {PARTITION: str(position.partition), OFFSET: position.offset}


def _time_of(then_ms: LoopMs, now_ms: LoopMs) -> int:
    """A time of the loop's clock as Unix nanoseconds."""
    return time.time_ns() - (now_ms - then_ms) * 1_000_000
