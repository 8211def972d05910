"""Checks what one client receives of one room, message by message, as it arrives. Pure.

It sees the wire, not the session, which would hide duplicates. Rules, over one connection:

1. A join begins at the cursor that the client presented, if ``recovered``, and else at ``head``.
2. Each event is beyond the one before, and its ``prev`` is covered: by an event, by the join, or by a skip.
3. After a finding the check goes on from where the client is, so one fault is not reported for every later event.
"""

from collections import deque
from typing import NamedTuple

from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver, Event, Skipped, Subscribed

from .findings import DUPLICATE, GAP, REORDER, WRONG_JOIN, WRONG_PREV, WRONG_SKIP, Finding

RECENT_OFFSETS = 64
"""How many offsets are remembered, to tell a duplicate from an event that is late."""


class Request(NamedTuple):
    """What a subscribe asked for."""

    cursor: Cursor | None
    deliver: Deliver
    sent_s: float
    resumes_at_s: float


class RoomCheck:
    """One room of one client, from a join on. ``live_from``: events beyond it were published after the join."""

    __slots__ = ("_begin", "_covered", "_last", "_recent", "deliver", "epoch", "live_from")

    def __init__(self, deliver: Deliver) -> None:
        self.deliver = deliver
        self.epoch = ""
        self.live_from = -1
        self._begin = -1
        self._covered = -1
        self._last: int | None = None
        self._recent: deque[int] = deque(maxlen=RECENT_OFFSETS)

    def join(self, message: Subscribed, presented: Cursor | None) -> list[Finding]:
        """The client has joined, or starts over."""
        findings = _join_findings(message, presented)
        recovered = message.recovered and presented is not None
        begin = presented.offset if recovered and presented is not None else message.head
        self.epoch = message.epoch
        self.live_from = message.head
        self._begin = self._covered = begin
        self._last = None
        self._recent.clear()
        return findings

    def event(self, event: Event) -> Finding | None:
        """The next event."""
        offset, prev, last = event.offset, event.prev, self._last
        if event.epoch is not None and event.epoch != self.epoch:
            self.epoch = event.epoch
            last = None
        if offset <= (self._begin if last is None else last):
            return self._late(event)
        finding = None
        if prev is not None:
            if prev > self._covered:
                finding = Finding(GAP, "an event is missing before another", event.room, offset)
            elif last is not None and prev < last:
                finding = Finding(WRONG_PREV, "prev is older than the event received before", event.room, offset)
        self._last = offset
        self._covered = max(self._covered, offset)
        self._recent.append(offset)
        return finding

    def skipped(self, message: Skipped) -> Finding | None:
        """The server left out events."""
        self._covered = max(self._covered, message.to)
        if self.deliver == "latest":
            return None
        return Finding(WRONG_SKIP, "events were left out although all were asked for", message.room, message.from_)

    def _late(self, event: Event) -> Finding:
        if event.offset <= self._begin:
            return Finding(DUPLICATE, "an event arrived that the join covers", event.room, event.offset)
        if event.offset in self._recent:
            return Finding(DUPLICATE, "an event arrived twice", event.room, event.offset)
        return Finding(REORDER, "an event arrived after a later one", event.room, event.offset)


def _join_findings(message: Subscribed, presented: Cursor | None) -> list[Finding]:
    """What is wrong with the answer itself."""
    texts = []
    if message.recovered and presented is None:
        texts.append("recovered, but no cursor was presented")
    if message.recovered and message.state:
        texts.append("recovered, but with a state")
    if any(event.offset > message.head for event in (*message.state, *message.recent)):
        texts.append("state or recent events are beyond the head")
    if len({event.key for event in message.state}) != len(message.state):
        texts.append("a key is in the state twice")
    if any(older.offset >= newer.offset for older, newer in zip(message.recent, message.recent[1:], strict=False)):
        texts.append("recent events are out of order")
    return [Finding(WRONG_JOIN, text, message.room, message.head) for text in texts]
