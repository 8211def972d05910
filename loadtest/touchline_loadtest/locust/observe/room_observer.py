"""One room of one client: the checker's view of it, and which of its events are live. Pure."""

from typing import NamedTuple

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Left, TraceSink
from touchline_protocol.codes import UNAVAILABLE
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Error, Event, Skipped, Subscribed

from .shared import Shared


class Request(NamedTuple):
    """A subscribe that is not answered yet. ``began_s``: when the attempt to connect began that led to it."""

    cursor: Cursor | None
    sent_s: float
    began_s: float


class RoomObserver:
    """``live_from``: events beyond it were published after the join.

    ``stale``: what arrives belongs to a subscription that the client has left, after a gap or by its own will.
    ``asked_s``: since when the client has asked to join without being let in; None if it does not wait for that.
    ``is_overdue``: that it waits for too long has been reported. ``joined_s``: when it was let in. ``newest`` is the
    offset of the newest event that has arrived since: a join's ``head`` may be beyond the room's newest event.
    """

    __slots__ = ("_follower", "_unix_ms", "asked_s", "is_overdue", "joined_s", "live_from", "newest", "stale")

    def __init__(self, trace: TraceSink, shared: Shared, *, after: Cursor | None, restarts: bool) -> None:
        self._follower = RoomFollower(
            trace, shared.values, after=after and after[:2], restarts=restarts, now_ms=shared.unix_ms
        )
        self._unix_ms = shared.unix_ms
        self.asked_s: float | None = None
        self.is_overdue = False
        self.joined_s = 0.0
        self.live_from = -1
        self.newest = -1
        self.stale = False

    @property
    def epoch(self) -> str:
        """The epoch in force."""
        return self._follower.live.epoch or ""

    @property
    def joined(self) -> bool:
        """Whether the client is in the room."""
        return self._follower.live.joined

    @property
    def covered(self) -> int:
        """The last offset that the client has, or knows to be left out."""
        return self._follower.live.covered

    def requested(self, cursor: Cursor | None, now_s: float, *, prompt: bool) -> None:
        """A subscribe is sent. If the server could not answer an earlier one, the client still waits since then.

        ``prompt``: the client reads at once what arrives.
        """
        if self.asked_s is None:
            self.asked_s = now_s
            self.is_overdue = False
        self._follower.ask(cursor and cursor[:2], prompt=prompt)

    def leave(self, *, prompt: bool) -> None:
        """The client leaves: by its own will, unless it does so after a gap, to ask for the room again.

        ``prompt``: it has read all that had arrived.
        """
        if self.asked_s is not None or (self.joined and not self.stale):
            self._follower.trace.add(Left(self._unix_ms() if prompt else 0.0))
        self.stale = True
        self.asked_s = None

    def refused(self, message: Error) -> Breach | None:
        """The server refused the room, or is unable to let anybody in at the moment."""
        if message.code != UNAVAILABLE.code:
            self.asked_s = None
        return self._follower.receive(message)

    def left(self) -> None:
        """Nothing of the room may arrive any more."""
        self.stale = False
        self.asked_s = None
        self._follower.present(self._follower.live.cursor)

    def subscribed(self, message: Subscribed, now_s: float) -> Breach | None:
        """The client has joined, or starts over."""
        self.stale = False
        self.asked_s = None
        self.joined_s = now_s
        self.live_from = message.head
        self.newest = -1
        return self._follower.receive(message)

    def event(self, event: Event) -> Breach | None:
        """The next event. After a gap the client asks again."""
        self.newest = event.offset
        breach = self._follower.receive(event)
        if breach is not None and breach.kind == "gap":
            self.stale = True
        return breach

    def skipped(self, message: Skipped) -> Breach | None:
        """The server left out events."""
        return self._follower.receive(message)
