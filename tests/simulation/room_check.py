"""Shows the checker what the user of one subscription sees, against everything that was ever appended."""

from msgspec import structs

from touchline.session.items import Event, Gap, Item, Joined, Refused, Skipped
from touchline.session.room import Phase, Room
from touchline.session.view import View
from touchline_loadtest.checks import trace
from touchline_loadtest.checks.comparison.trace_check import TraceCheck

from .edge_knowledge import EdgeKnowledge
from .findings import Findings
from .log import Log, value_of


class RoomCheck:
    """One subscription. The SDK does not show which events were skipped: `named` adds that."""

    def __init__(self, findings: Findings, log: Log, client: int, room: Room) -> None:
        self.room = room
        self.view = View(room.cursor)
        self._findings = findings
        self._log = log
        self._check = TraceCheck(log.room(room.name), log.log_ids.get, f"client {client}", room.deliver)
        self._who = f"client {client} in {room.name}"
        self._starting: trace.Joined | None = None
        self._recent: list[tuple[int, int]] = []
        self._recent_left = 0
        self._has_joined = False

    def take(self, item: Item, knowledge: EdgeKnowledge) -> None:
        """The next thing that the user sees."""
        self._findings.counts[type(item).__name__] += 1
        before = self.view.cursor
        self.view.apply(item)
        match item:
            case Event() if self._recent_left:
                self._take_recent(item)
            case Event():
                removal = item.key is not None and item.data is None
                self._show(trace.Received(item.epoch, item.offset, None, value_of(item.data), item.key, removal))
            case Joined(recovered=True):
                self._findings.counts["resumed"] += 1
                self._has_joined = True
                self._findings.counts["moved"] += item.moved
                self._show(_resumed(item))
            case Joined():
                self._start_over(item, None if before is None else (before.epoch, before.offset), knowledge)
            case Gap(prev, seen):
                self._show(trace.Gap(prev, seen))
            case Refused(error):
                self._show(trace.Refused(error.code))
            case Skipped():
                pass

    def named(self, skipped: trace.Skipped) -> None:
        """The server named events that it leaves out."""
        if self.room.phase is Phase.JOINED:  # and not of the room as the client left it, before it came back
            self._show(skipped)

    def check_complete(self) -> None:
        """At the end: everything has arrived, and the state is right."""
        if self.room.phase is not Phase.JOINED:
            self._findings.add(f"{self._who} is {self.room.phase} at the end")
        if self.view.cursor is not None:
            state = {key: value_of(event.data) for key, event in self.view.state.items()}
            self._show(trace.Shown(self.view.cursor.epoch, self.view.cursor.offset, state))
        self._show(trace.Settled())

    def _start_over(self, item: Joined, after: tuple[str, int] | None, knowledge: EdgeKnowledge) -> None:
        self._findings.counts["started over" if item.restarted else "joined"] += 1
        state = {event.key: value_of(event.data) for event in item.state if event.key is not None}
        epoch = item.cursor.epoch
        if not knowledge.may_show(self.room.name, epoch, item.head, state):
            self._findings.add(f"{self._who} started over with a state at {item.head} that its edge must not know")
        complete = item.state_complete and not knowledge.may_lack_keys(self.room.name)
        live, self._has_joined = self._has_joined, True  # whether the client has asked again is the session's to know
        joined = trace.Joined(epoch, item.head, False, state, after, complete, live, at_ms=self._log.time_ms)
        self._starting, self._recent, self._recent_left = joined, [], item.recent
        if not item.recent:
            self._show(joined)

    def _take_recent(self, event: Event) -> None:
        """The SDK hands the recent events out one by one, and the checker takes them with the join."""
        self._recent_left -= 1
        self._recent.append((event.offset, value_of(event.data)))
        if not self._recent_left and self._starting is not None:
            self._show(structs.replace(self._starting, recent=tuple(self._recent)))

    def _show(self, item: trace.Item) -> None:
        self._check.take(item)
        if self._check.breaches:
            for breach in self._check.breaches:
                self._findings.add(str(breach))
            self._check.breaches.clear()


def _resumed(joined: Joined) -> trace.Joined:
    epoch, offset, _ = joined.cursor
    state = {event.key: value_of(event.data) for event in joined.state if event.key is not None}
    return trace.Joined(
        epoch, joined.head, True, state, (epoch, offset), moved=joined.moved, replaces=joined.replaces_state
    )
