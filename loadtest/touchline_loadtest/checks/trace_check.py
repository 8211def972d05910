"""Compares what one client saw of a room with the log. Pure.

`protocol/README.md`, "Following a room", has the rules.
"""

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.epoch_names import EpochNames
from touchline_loadtest.checks.room_log import Entry, LogId, RoomLog
from touchline_loadtest.checks.trace import Gap, Joined, Received, Refused, Skipped, Trace


class TraceCheck:
    """One client in one room. ``state`` is what it has at the end."""

    def __init__(self, room: RoomLog, names: EpochNames, trace: Trace) -> None:
        self.state: dict[str, int] = {}
        self._room = room
        self._names = names
        self._trace = trace
        self._breaches: list[Breach] = []
        self._epoch: str | None = None
        self._cursor = -1
        self._covered = -1
        self._complete = True
        self._lost: int | None = None
        self._log: LogId | None = None
        self._offsets: set[int] = set()
        self._skipped: list[Skipped] = []

    def run(self) -> list[Breach]:
        """Go through the trace, and return what is wrong."""
        for item in self._trace.items:
            match item:
                case Joined(recovered=True):
                    self._resume(item)
                case Joined():
                    self._start_over(item)
                case Received():
                    self._receive(item)
                case Skipped():
                    self._skipped.append(item)
                    self._covered = max(self._covered, item.last)
                case Gap():
                    self._found("gap", f"{item}")
                case Refused():
                    self._found("refused", item.code)
        self._end()
        return self._breaches

    def _found(self, kind: str, text: str) -> None:
        self._breaches.append(Breach(kind, f"{self._trace.who} in {self._room.room}", text))

    def _resume(self, joined: Joined) -> None:
        self._skipped.clear()
        self._covered = self._cursor
        if joined.after != (self._epoch, self._cursor):
            self._found("resumed_elsewhere", f"at {self._epoch}/{self._cursor}, answered with {joined}")
        self._epoch = joined.epoch

    def _start_over(self, joined: Joined) -> None:
        if self._epoch is not None and not self._room.restarts:
            self._found("lost_cursor", f"{self._epoch}/{self._cursor} was not honoured: {joined}")
        self._skipped.clear()
        self._offsets.clear()
        self._lost = None
        self._log = None
        self._epoch = joined.epoch
        self._cursor = self._covered = joined.head
        self._complete = joined.complete
        self.state = dict(joined.state)
        self._check_state(joined.head, "joined")

    def _receive(self, event: Received) -> None:
        self._epoch = event.epoch  # the partition's leader may be another one; `_check_run` knows the partition
        if event.offset in self._offsets:
            self._found("doubled", f"{event}")
        elif event.offset <= self._cursor:
            self._found("reordered", f"{event} after {self._cursor}")
        elif event.prev is not None and event.prev > self._covered:
            self._found("missing", f"{event.prev}, before {event}")
        self._compare(event)
        self._offsets.add(event.offset)
        self._cursor = max(self._cursor, event.offset)
        self._covered = max(self._covered, event.offset)
        if event.key is not None and event.removal:
            self.state.pop(event.key, None)
        elif event.key is not None:
            self.state[event.key] = event.number

    def _compare(self, event: Received) -> None:
        """Compare an event with what was sent, and with the log."""
        sent = self._room.sent.get(event.number)
        if sent is None or (sent.key, sent.removal) != (event.key, event.removal):
            self._found("wrong_event", f"{event}, of which {sent} was sent")
            return
        log = self._names.log(event.epoch)
        if log is None or log not in self._room.logs_with(event.offset, event.number):
            self._not_in_log(event)
            return
        if self._lost is not None:
            self._found("over_other_events", f"{event} follows {self._lost}, which its log does not have")
            self._lost = None
            return
        self._check_run(log, event)

    def _not_in_log(self, event: Received) -> None:
        if not self._room.lossy:
            self._found("not_in_log", f"{event}")
        self._lost = event.offset

    def _check_run(self, log: LogId, event: Received) -> None:
        """The client is in the same partition, no event is missing before this one, and ``prev`` is right."""
        if self._log not in (None, log):
            self._found("wrong_epoch", f"{event} of {log} follows one of {self._log}")
        self._log = log
        before = self._room.before(log, event.offset)
        if event.prev is not None and not self._is_prev(log, event.prev, before):
            self._found("wrong_prev", f"{event} follows {before}")
        for entry in self._room.between(log, self._cursor, event.offset):
            if not self._may_skip(log, entry):
                self._found("missing", f"{entry}, before {event}")

    def _is_prev(self, log: LogId, prev: int, before: Entry | None) -> bool:
        if before is not None and prev == before.offset:
            return True
        # State from before the move, or from the partition that the room has left, has an offset that no event has.
        return bool(self._room.before_move(log)) and (before is None or prev > before.offset)

    def _may_skip(self, log: LogId, entry: Entry) -> bool:
        if self._trace.deliver != "latest" or not self._room.superseded(log, entry):
            return False
        return not self._trace.shows_skips or any(
            skipped.first <= entry.offset <= skipped.last for skipped in self._skipped
        )

    def _check_state(self, head: int, when: str) -> None:
        """The state is that of the log as of ``head``; parts may be missing where the log has deleted them."""
        log = self._names.log(self._epoch or "")
        candidates = [log] if log is not None else [*self._room.entries]
        wrong = [self._difference(each, head) for each in candidates]
        if wrong and all(wrong):
            self._found("wrong_state", f"{when} {self._epoch}/{head}: {wrong[0]}")

    def _difference(self, log: LogId, head: int) -> str:
        right = self._room.state(log, head)
        unsettled = self._room.unsettled(log)
        for key, number in self.state.items():
            if (
                key not in unsettled
                and (key not in right or right[key].number != number)
                and not self._was_lost(number, key)
            ):
                return f"{key} is {number}, not {right.get(key)}"
        for key, entry in right.items():
            if key not in self.state | dict.fromkeys(unsettled) and self._complete and not self._room.deleted(entry):
                return f"{key} is missing: {entry}"
        return ""

    def _was_lost(self, number: int, key: str) -> bool:
        """Whether this value may come from a part of the log that an unclean election has cut off."""
        sent = self._room.sent.get(number)
        in_log = any(entry.number == number for found in self._room.entries.values() for entry in found)
        return self._room.lossy and not in_log and sent is not None and sent.key == key

    def _end(self) -> None:
        """At the end the client has everything that the log has, and its state."""
        home = self._room.home
        if home is None:
            return
        if self._epoch is None:
            self._found("never_joined", "no answer")
            return
        log = self._names.log(self._epoch)
        if log is not None and log != home:
            self._found("left_behind", f"ends in {self._epoch}, {log}, and the room is in {home}")
            return
        newest = self._room.entries[home][-1]
        if missing := self._room.between(home, self._cursor, newest.offset + 1):
            self._found("missing_at_end", f"{len(missing)} events after {self._cursor}: {missing[0]}")
            return
        self._check_end_state(home, newest)

    def _check_end_state(self, home: LogId, newest: Entry) -> None:
        right = {key: entry.number for key, entry in self._room.state(home, newest.offset).items()}
        deleted = {key for key, entry in self._room.state(home, newest.offset).items() if self._room.deleted(entry)}
        for key in right.keys() | self.state.keys():
            number = self.state.get(key)
            absent_rightly = number is None and (key in deleted or not self._complete)
            if number != right.get(key) and not absent_rightly:
                self._found("wrong_state_at_end", f"{key} is {number}, not {right.get(key)}")
                return
