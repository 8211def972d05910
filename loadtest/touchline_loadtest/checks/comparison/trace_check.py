"""Compares what one client saw of a room with the log, item by item. Pure.

`protocol/README.md`, "Following a room", has the rules.
"""

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.partition_log import LogId, PartitionLog
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Asked, Gap, Item, Joined, Left, Received, Refused, Settled, Shown, Skipped
from touchline_protocol.messages import Deliver

from .cursors import LogOf, adds_state, is_prev, may_start_over, passes_no_event
from .excuses import NO_EXCUSES, PATIENCE_MS, Excuses
from .head_check import wrong_head, wrong_recent
from .move_check import wrong_move
from .skip_check import SkipCheck
from .state_check import StateCheck, differences
from .waits import DELETED_MS, LONG_MS, Waits

BREACHES_MAX = 50
"""How many breaches of one trace are reported, and the rest only counted: one fault may make all events wrong."""


class TraceCheck:
    """One client in one room. ``state`` is what the client has after the last item, and ``breaches`` what was found.

    ``more`` counts the breaches beyond `BREACHES_MAX`. ``events``, ``resumes``, ``starts_over`` and ``states`` count
    what was compared. It keeps the client's state and its place in the log, not what the client has seen: that may
    be any number of events.
    """

    def __init__(
        self,
        room: RoomLog,
        log_of: LogOf,
        client: str,
        deliver: Deliver = "all",
        *,
        shows_skips: bool = True,
        excuses: Excuses = NO_EXCUSES,
    ) -> None:
        self.state: dict[str, int] = {}
        self.breaches: list[Breach] = []
        self.more = 0
        self.events = self.resumes = self.starts_over = self.states = self.departures = 0
        self._room = room
        self._log_of = log_of
        self.client = client
        self._excuses = excuses
        facts = room.facts
        self._skips = SkipCheck(deliver, shows_skips=shows_skips, compacted=facts.compacted, slack_ms=facts.slack_ms)
        self._states = StateCheck(room)
        self._waits = Waits(client, excuses)
        self._in_room = self._has_left = False
        self._at_ms: float | None = None
        self._epoch: str | None = None
        self._cursor = self._covered = -1
        self._since = -1  # the cursor when it joined
        self._lost: int | None = None  # an event that the client has, and its log does not
        self._log: LogId | None = None
        self._next = 0  # the index in its log of the first event behind the cursor
        self._missed: set[int] = set()  # offsets that were reported as missing: they may still come, out of order
        self._resumed_with: tuple[str, int] | None = None  # by a resume since which it has received nothing

    def take(self, item: Item, at_ms: float | None = None) -> None:
        """The next thing that the client saw, and about when."""
        self._at_ms = at_ms
        match item:
            case Received():
                self._receive(item)
            case Joined(moved=True):
                self._move(item)
            case Joined(recovered=True):
                self._resume(item)
            case Joined():
                self._start_over(item)
            case Skipped():
                self._skip(item)
            case _:
                self._take_rare(item)

    def end(self, ended_ms: float) -> None:
        """The trace is over, and its run went on to ``ended_ms``.

        A client that never said that it left was there until its connection ended.
        """
        if self._has_left:
            return
        if not self._waits.has_begun:
            if self._excuses.connected_until(self.client, 0.0) == float("inf"):
                self._found("never_joined", "it never asked for the room, nor left it")
        elif at_ms := self._waits.last_connected_ms(ended_ms):
            self._depart(at_ms, LONG_MS)

    def _take_rare(self, item: Gap | Refused | Shown | Left | Settled | Asked) -> None:
        match item:
            case Asked():
                if self._waits.is_unanswered(item.at_ms, LONG_MS):
                    self._found("never_joined", "no answer, until it asked again")
                self._waits.ask(item)
                self._in_room = self._has_left = False
            case Gap():
                self._found("gap", f"the event before is {item.prev}, and {item.covered} is covered", item.prev)
            case Refused():
                self._waits.answer()
                if not self._excuses.explains_refusal(self.client, item.code, item.at_ms):
                    self._found("refused", item.code)
            case Shown():
                self._show(item)
            case Left():
                self._leave(item)
            case Settled():
                self._settle()

    def _found(self, kind: str, text: str, offset: int | None = None) -> None:
        if len(self.breaches) < BREACHES_MAX:
            self.breaches.append(Breach(kind, self.client, text, self._room.room, offset, self._at_ms))
        else:
            self.more += 1

    @property
    def _part(self) -> PartitionLog | None:
        return None if self._log is None else self._room.parts.get(self._log)

    def _join(self, joined: Joined) -> None:
        self._waits.join(joined.at_ms)
        self._skips.forget()
        self._in_room, self._has_left = True, False

    def _resume(self, joined: Joined) -> None:
        self.resumes += 1
        self._join(joined)
        if self._epoch is None and joined.after is not None:
            self._epoch, self._cursor = joined.after  # it brought a cursor from before the run
            self._log = self._log_of(self._epoch)
            self._states.forget()
        elif not joined.live and not self._goes_on_at(joined.after):
            text = f"was at {self._epoch}/{self._cursor}, and was answered with {joined}"
            self._found("resumed_elsewhere", text, self._cursor)
        before, after = self._log_of(self._epoch or "") or self._log, self._log_of(joined.epoch)
        if before is not None and after is not None and before != after:
            text = f"{self._epoch}/{self._cursor} of {before} was honoured in {after}"
            self._found("recovered_wrongly", text, self._cursor)
        elif before is not None and after is None and self._room.replaced_ms(before) <= joined.at_ms - PATIENCE_MS:
            text = f"{self._epoch}/{self._cursor} of {before} was honoured, and the room is not there any more"
            self._found("recovered_wrongly", text, self._cursor)
        self._check_head(joined, after or self._log)
        self._resumed_with = joined.after or (self._epoch or "", self._cursor)  # the id that an event stream keeps
        self._states.resume()
        self._covered = self._since = self._cursor
        self._epoch = joined.epoch
        self._next = 0 if (part := self._part) is None else part.behind(self._cursor)

    def _goes_on_at(self, after: tuple[str, int] | None) -> bool:
        """Whether a client presents its cursor, or one that `replayed` has moved over records of other rooms."""
        if after is not None and passes_no_event(self._part, self._log, self._log_of(after[0]), self._cursor, after[1]):
            self._epoch, self._cursor = after
        return after in ((self._epoch, self._cursor), self._resumed_with)

    def _move(self, joined: Joined) -> None:
        """Go on in another log."""
        self.resumes += 1
        self._join(joined)
        self._waits.advance()
        before, cursor = self._log_of(self._epoch or "") or self._log, self._cursor
        if self._epoch is None:
            self._states.forget()  # it brought a cursor from before the run
        self._begin(*(joined.after or (joined.epoch, joined.head)))
        if wrong := wrong_move(self._room, before, cursor, self._log, self._cursor):
            self._found(wrong.kind, wrong.text, wrong.offset)
        self._check_head(joined, self._log)
        if joined.replaces:
            self._adopt_state(joined)

    def _start_over(self, joined: Joined) -> None:
        cursor = (self._epoch, self._cursor) if joined.live and self._epoch is not None else joined.after
        self.starts_over += self._epoch is not None
        self._join(joined)
        self._waits.advance()
        adds = self._states.may_lack_keys and adds_state(joined, self._part, self._epoch, self._cursor)
        if cursor and not adds and not may_start_over(self._room, self._log_of, joined, *cursor, self._since):
            text = f"{cursor[0]}/{cursor[1]} was not honoured: it starts over at {joined.epoch}/{joined.head}"
            self._found("lost_cursor", text, cursor[1])
        self._begin(joined.epoch, joined.head if joined.place is None else joined.place)
        self._check_head(joined, self._log)
        if text := wrong_recent(self._room, self._log, joined):
            self._found("wrong_recent", text, joined.recent[0][0])
        self._adopt_state(joined)

    def _begin(self, epoch: str, offset: int) -> None:
        """The client goes on from here, wherever it was before."""
        self._missed.clear()
        self._lost = self._resumed_with = None
        self._epoch = epoch
        self._cursor = self._covered = self._since = offset
        self._log = self._log_of(epoch)
        self._next = 0 if (part := self._part) is None else part.behind(offset)

    def _adopt_state(self, joined: Joined) -> None:
        self.state = dict(joined.state)
        self.states += bool(joined.state)
        self._states.start(complete=joined.complete)
        if text := self._states.wrong_start(self._log, joined.head, self.state):
            self._found("wrong_state", f"as of {joined.epoch}/{joined.head}: {text}", joined.head)

    def _check_head(self, joined: Joined, log: LogId | None) -> None:
        if text := wrong_head(self._room, log, joined):
            self._found("wrong_head", f"{joined.epoch}/{joined.head}: {text}", joined.head)

    # Following.

    def _skip(self, skipped: Skipped) -> None:
        if not self._in_room:
            self._found("before_joined", f"{skipped}", skipped.first)
        self._covered = max(self._covered, skipped.last)
        if text := self._skips.announce(skipped):
            self._found("wrong_skip", text, skipped.first)

    def _receive(self, event: Received) -> None:
        self.events += 1
        if not self._in_room:
            self._found("before_joined", f"{event}", event.offset)
        if event.offset <= self._cursor:
            kind = "reordered" if event.offset in self._missed else "doubled"
            self._missed.discard(event.offset)
            self._found(kind, f"{event} after {self._cursor}", event.offset)
            return
        self._epoch = event.epoch  # the partition's leader may be another one; `_compare` knows the partition
        self._compare(event)
        if self._resumed_with:
            self._resumed_with = None
            self._waits.advance()
        self._cursor = event.offset
        self._covered = max(self._covered, event.offset)
        if event.key is None:
            return
        self._skips.received(event.key)
        if event.removal:
            self.state.pop(event.key, None)
        else:
            self.state[event.key] = event.value

    def _compare(self, event: Received) -> None:
        log = self._log_of(event.epoch)
        part = self._room.parts.get(log) if log is not None else None
        index = None if part is None else part.find(event.offset)
        if log is None or part is None or index is None:
            self._not_in_log(event)
        elif not part.matches(index, event.value, event.key, removal=event.removal):
            self._differs(log, part, index, event)
        elif self._lost is not None:
            self._found("over_other_events", f"it follows {self._lost}, which its log does not have", event.offset)
            self._lost = None
            self._log, self._next = log, index + 1
        else:
            self._follow(log, part, index, event)

    def _not_in_log(self, event: Received) -> None:
        if logs := self._room.logs_with(event.offset, event.value):
            self._found("ambiguous_epoch", f"{event.epoch} is another log than {logs[0]} for others", event.offset)
        elif not self._room.facts.lossy:
            self._found("not_in_log", f"{event}", event.offset)
        elif (event.value, event.key, event.removal) not in self._room.sent:
            self._found("wrong_event", f"{event}, which nobody has sent", event.offset)
        if self._room.facts.lossy:
            self._take_lost(event)

    def _take_lost(self, event: Received) -> None:
        """The event is gone from the log, so only ``prev`` can tell whether one is missing before it."""
        self._lost = event.offset
        if event.prev is not None and event.prev > self._covered:
            self._found("missing", f"{event.prev}, before {event}", event.prev)

    def _differs(self, log: LogId, part: PartitionLog, index: int, event: Received) -> None:
        if self._room.facts.lossy and (event.value, event.key, event.removal) in self._room.sent:
            self._take_lost(event)
            return
        others = [each for each in self._room.logs_with(event.offset, event.value) if each != log]
        if others:
            self._found("ambiguous_epoch", f"{event.epoch} is {log} for others, and here {others[0]}", event.offset)
        else:
            self._found("wrong_event", f"{event}, where {log} has {part[index]}", event.offset)
        if self._log in (None, log):
            self._log, self._next = log, index + 1

    def _follow(self, log: LogId, part: PartitionLog, index: int, event: Received) -> None:
        """The client is in the same partition, no event is missing before this one, and ``prev`` is right."""
        if self._log != log:
            if self._log is not None:
                self._found("wrong_epoch", f"{event} of {log} follows one of {self._log}", event.offset)
                self._next = index
            else:
                self._next = part.behind(self._cursor)
            self._log = log
        if event.prev is not None and not is_prev(self._room, log, index, event.prev):
            before = part[index - 1] if index else None
            self._found("wrong_prev", f"{event} follows {before}", event.offset)
        if self._next < index:
            self._pass_over(log, part, index, event)
        self._next = index + 1
        for text in self._skips.reach(event.offset):
            self._found("wrong_skip", text, event.offset)

    def _pass_over(self, log: LogId, part: PartitionLog, index: int, event: Received) -> None:
        """Events between the last one and this one did not arrive."""
        missing = [each for each in range(self._next, index) if not self._skips.allows(part, each)]
        if not missing:
            return
        first = part.offset_at(missing[0])
        self._missed.update(part.offset_at(each) for each in missing)
        text = f"{len(missing)} events from {first} to {part.offset_at(missing[-1])}, before {event.offset}"
        gone = bool(self._resumed_with) and first < self._room.starts.at_end(log)
        self._found("recovered_wrongly" if gone else "missing", text, first)

    # The end.

    def _leave(self, left: Left) -> None:
        if left.at_ms:
            self._depart(left.at_ms, PATIENCE_MS)
        self._skips.forget()
        self._waits.leave(left.at_ms)
        self._in_room = False
        self._has_left = True

    def _depart(self, at_ms: float, patience_ms: float) -> None:
        """The client was there until ``at_ms``: the answer, and what was in the log long before, have arrived."""
        if not self._waits.has_begun or self._waits.is_unanswered(at_ms, patience_ms):
            self._found("never_joined", "no answer")
            return
        log = self._room.home if self._log is None and not self._room.has_other_logs else self._log
        if log is None or not self._waits.prompt:
            return
        self.departures += log in self._room.parts and 0 < self._waits.joined_ms < at_ms - patience_ms
        if self._is_stalled(log, at_ms, patience_ms):
            return
        replaced_ms = self._room.replaced_ms(log)
        if replaced_ms < at_ms and self._waits.is_overdue(replaced_ms, at_ms, LONG_MS):
            self._found("left_behind", f"stays in {log}, and the room is not there any more", self._cursor)

    def _is_stalled(self, log: LogId, at_ms: float, patience_ms: float) -> bool:
        """Whether the first event that the client lacks should have arrived."""
        part = self._room.parts.get(log)
        if part is None:
            return False
        indices = range(part.behind(self._cursor), len(part))
        index = next((each for each in indices if not self._skips.allows(part, each)), None)
        if index is None:
            return False
        offset, order = part.offset_at(index), part.order_at(index)
        gone = bool(self._resumed_with) and offset < self._room.starts.before(log, self._waits.joined_ms)
        if not self._waits.is_overdue(order, at_ms, DELETED_MS if gone else patience_ms):
            return False
        text = f"it is still behind {self._cursor} {(at_ms - order) / 1000:.1f} s after that event"
        self._found("recovered_wrongly" if gone else "stalled", text, offset)
        return True

    def _show(self, shown: Shown) -> None:
        if (shown.epoch, shown.offset) != (self._epoch, self._cursor):
            text = f"shows {shown.epoch}/{shown.offset}, and should be at {self._epoch}/{self._cursor}"
            self._found("wrong_state_at_end", text, shown.offset)
        elif shown.state != self.state:
            self._found("wrong_state_at_end", differences(shown.state, self.state), shown.offset)
        self._check_state()

    def _settle(self) -> None:
        """The client has everything that the log has, and its state."""
        self.departures += 1
        self._has_left = True
        home = self._room.home
        if self._epoch is None or self._waits.is_waiting:
            self._found("never_joined", "no answer")
            return
        if home is None:
            return
        log = self._log_of(self._epoch) or self._log
        if log is not None and log != home:
            self._found("left_behind", f"ends in {self._epoch}, {log}, and the room is in {home}", self._cursor)
            return
        if self._lost is not None:
            self._found("left_behind", "ends with an event that its log does not have", self._lost)
            return
        part = self._room.parts[home]
        indices = range(part.behind(self._cursor), len(part))
        if missing := [each for each in indices if not self._skips.allows(part, each)]:
            text = f"{len(missing)} events after {self._cursor}"
            self._found("missing_at_end", text, part.offset_at(missing[0]))
            return
        for text in self._skips.reach(None):
            self._found("wrong_skip", text, self._cursor)
        self._log = home
        self._check_state()

    def _check_state(self) -> None:
        """The client's state is the log's, as of the cursor."""
        if self._log is None or self._log not in self._room.parts:
            return
        if text := self._states.wrong_end(self._log, self._cursor, self.state, self._skips.keys):
            self._found("wrong_state_at_end", f"as of {self._epoch}/{self._cursor}: {text}", self._cursor)
