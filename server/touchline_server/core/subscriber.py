"""A subscriber: a client as its rooms see it. It has cursors, takes bytes or does not, and catches up room by room.

`Client` adds what a client says to it: messages, tokens, actions.

Rules:

1. A paused subscriber (its socket takes no more) is written nothing but answers to what it had sent before.
2. Subscriptions that are behind take turns, one step each.
"""

from collections import deque
from typing import Generic

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import RoomRequest

from .clocks import LoopMs
from .effects import Owner
from .rooms.hub import Hub
from .rooms.room import Room, Write
from .subscription import C, NextStep, Phase, Step, Subscription


class Subscriber(Generic[Owner, C]):
    """The rooms of one client.

    ``owner`` is what the shell finds its connection by. ``in_catch_up`` belongs to the catch-up queue: whether the
    client waits there for its turn. ``last_write_ms`` is when it was last written to, outside of flushes.
    ``closing`` is the code that it is to be closed with.
    """

    __slots__ = (
        "_behind",
        "closing",
        "codec",
        "hub",
        "in_catch_up",
        "last_write_ms",
        "owner",
        "paused_ms",
        "subscriptions",
        "write",
    )

    def __init__(self, owner: Owner, hub: Hub[Subscription[C]], codec: Codec, write: Write) -> None:
        self.owner = owner
        self.hub = hub
        self.codec = codec
        self.write = write
        self.closing: codes.CloseCode | None = None
        self.subscriptions: dict[str, Subscription[C]] = {}
        self.paused_ms: LoopMs | None = None
        self.in_catch_up = False
        self.last_write_ms = LoopMs(0)
        # Those that have left since stay in it until their turn comes: to look for one would take longer the more rooms
        # there are. None while it is empty, since a deque takes 750 bytes.
        self._behind: deque[Subscription[C]] | None = None

    def join(
        self, client: C, room: Room[Subscription[C]], request: RoomRequest, request_id: int | None, replay_max: int
    ) -> Subscription[C]:
        """Join a room that it is not in. ``client`` is this object, as its subscriptions know it."""
        subscription = Subscription(client, self.codec, room, request, request_id, replay_max)
        room.members += 1
        self.subscriptions[room.name] = subscription
        self._queue(subscription)
        return subscription

    def leave(self, subscription: Subscription[C]) -> None:
        """Leave a room."""
        subscription.leave()
        del self.subscriptions[subscription.room.name]
        self.hub.forget_if_unused(subscription.room)

    @property
    def is_behind(self) -> bool:
        """Whether a subscription of it may have a step to take."""
        return self._behind is not None

    def next_behind(self) -> Subscription[C] | None:
        """The subscription whose turn it is to catch up; None if there is none, or the client takes no more."""
        if self.paused_ms is not None or self._behind is None:
            return None
        behind, subscription = self._behind, None
        while behind and subscription is None:
            first = behind.popleft()
            subscription = None if first.phase is Phase.LEFT else first
        if not behind:
            self._behind = None
        return subscription

    def _queue(self, subscription: Subscription[C]) -> None:
        if self._behind is None:
            self._behind = deque()
        self._behind.append(subscription)

    def after_step(self, subscription: Subscription[C], step: Step) -> None:
        """A step's bytes have been written: queue for another step, or go live."""
        if subscription.phase is Phase.LEFT:
            return
        up_to_date = step.next is NextStep.LIVE and subscription.cursor == subscription.room.contents.position
        if up_to_date and self.paused_ms is None:
            subscription.go_live(self.write)
        elif step.next is NextStep.CLOSE:
            self.closing = codes.TOO_SLOW
        elif step.next is not NextStep.WAIT:
            self._queue(subscription)

    def wake(self, subscription: Subscription[C]) -> None:
        """The room has reached a subscription that was ahead of it, or has restarted and has to be loaded first."""
        if subscription.phase is Phase.LIVE:
            subscription.fall_behind()
        elif subscription.phase is Phase.AHEAD:
            subscription.phase = Phase.BEHIND
        else:
            return
        self._queue(subscription)

    def pause(self, now_ms: LoopMs) -> None:
        """The client takes no more: all that is live becomes a cursor."""
        self.paused_ms = now_ms
        for subscription in self.subscriptions.values():
            # One that is ahead waits for this edge, whatever its client takes.
            if subscription.behind_since_ms is None and subscription.phase is not Phase.AHEAD:
                subscription.behind_since_ms = now_ms
            if subscription.phase is Phase.LIVE:
                subscription.fall_behind()
                self._queue(subscription)

    def resume(self) -> None:
        """The client takes again; it goes on with `next_behind`."""
        self.paused_ms = None

    def late_since(self) -> LoopMs | None:
        """Since when it takes nothing, or has not been live in all rooms where it was; None if it keeps up."""
        times = [subscription.behind_since_ms for subscription in self.subscriptions.values()]
        return min((time for time in (*times, self.paused_ms) if time is not None), default=None)

    def heard_since(self, time_ms: LoopMs) -> bool:
        """Whether it was written to since ``time_ms``: by an answer, or by a flush of a room where it is live."""
        return self.last_write_ms >= time_ms or any(
            subscription.phase is Phase.LIVE and subscription.room.flushed_ms >= time_ms
            for subscription in self.subscriptions.values()
        )
