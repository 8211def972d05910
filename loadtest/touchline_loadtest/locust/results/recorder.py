"""Records what one user saw and did, for the checker.

One recorder serves all visits of a user under one name, since the checker compares a client with the log over all of
its connections. Without a `TraceWriter` nothing is kept.
"""

from touchline_loadtest.checks.actions import Acted
from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.trace import Item, TraceSink
from touchline_loadtest.runs.history.trace_writer import TraceWriter
from touchline_protocol.messages import Deliver


class _Unrecorded:
    """A trace that keeps nothing."""

    def __init__(self, client: str, room: str, deliver: Deliver) -> None:
        self.client = client
        self.room = room
        self.deliver: Deliver = deliver

    def add(self, item: Item) -> None:
        """The next thing that the client sees."""


class UserRecorder:
    """Records under the name ``client``."""

    def __init__(self, client: str, writer: TraceWriter | None) -> None:
        self.client = client
        self._writer = writer
        self._traces: dict[tuple[str, Deliver], TraceSink] = {}

    @property
    def recording(self) -> bool:
        """Whether anything is kept."""
        return self._writer is not None

    def trace(self, room: str, deliver: Deliver) -> TraceSink:
        """Where the items of a room go."""
        trace = self._traces.get((room, deliver))
        if trace is None:
            writer = self._writer
            trace = (
                _Unrecorded(self.client, room, deliver) if writer is None else writer.trace(self.client, room, deliver)
            )
            self._traces[room, deliver] = trace
        return trace

    def closed(self, close: Close) -> None:
        """A connection has ended."""
        if self._writer is not None:
            self._writer.closed(close)

    def opened(self, opening: Opening) -> None:
        """A connection has begun."""
        if self._writer is not None:
            self._writer.opened(opening)

    def cause(self, cause: Cause) -> None:
        """Something happened that may end connections."""
        if self._writer is not None:
            self._writer.cause(cause)

    def acted(self, acted: Acted) -> None:
        """The user has acted, or learned what became of it."""
        if self._writer is not None:
            self._writer.acted(acted)
