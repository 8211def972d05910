"""A room as its reader sees it: always as of the last event that was handed out.

Pure: a `View` is given the items of a session one at a time, in order. It lags behind the session by whatever waits in
the buffer, which makes its cursor safe to save and its state consistent with the events.
"""

from touchline_protocol.cursor import Cursor

from .items import Event, Gap, Item, Joined, Skipped


class View:
    """The reader's side of one room. `touchline.Subscription` documents the attributes."""

    __slots__ = (
        "_head",
        "_recent_left",
        "cursor",
        "gaps",
        "moves",
        "recovered",
        "restarts",
        "skipped",
        "state",
        "state_complete",
    )

    def __init__(self, after: Cursor | None) -> None:
        self.cursor = after
        self.state: dict[str, Event] = {}
        self.state_complete = after is None
        self.recovered: bool | None = None
        self.restarts = 0
        self.moves = 0
        self.skipped = 0
        self.gaps = 0
        self._recent_left = 0
        self._head = -1

    def apply(self, item: Item) -> None:
        """Apply the next item."""
        match item:
            case Event():
                self._event(item)
            case Joined():
                self._join(item)
            case Skipped():
                self.skipped += item.events
            case Gap():
                self.gaps += 1

    def _join(self, joined: Joined) -> None:
        self.recovered = joined.recovered
        self.cursor = joined.cursor
        self.moves += joined.moved
        if joined.recovered and not joined.replaces_state:
            return
        self.restarts += joined.restarted
        self.state_complete = joined.state_complete
        self.state = {event.key: event for event in joined.state if event.key is not None}
        self._recent_left = joined.recent
        self._head = joined.head

    def _event(self, event: Event) -> None:
        self.cursor = event.cursor
        if self._recent_left:  # the state is already that of the head
            self._recent_left -= 1
            if not self._recent_left:
                self.cursor = Cursor.at(event.epoch, self._head, event.ts)
        elif event.key is not None:
            if event.data is None:
                self.state.pop(event.key, None)
            else:
                self.state[event.key] = event
