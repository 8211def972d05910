"""Right histories: a log that moves on, is trimmed, moved and created again, and clients that see it as they should.

A model of what the server promises, written from `protocol/README.md` alone. It goes step by step through the life of
the log: after each step every client that is connected receives what it has to receive, at once or, if it reads slowly,
later. ``random`` chooses among all that the promises allow.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog, TopicFacts
from touchline_loadtest.checks.trace import Asked, Joined, Left, Received, Settled, Shown, Skipped, Trace
from touchline_protocol.messages import Deliver

ROOM = "score:1"
TOPIC = "score-events"
KEYS = ("home", "away", "clock")
CLIENTS = 4
TICK_MS = 60_000
"""The time of a step's half: so long that whatever is held up longer than that should have come."""


class Part(NamedTuple):
    """A time of the room's life: the partition that it is in, as long as one broker leads it."""

    log: LogId
    epoch: str


class World:
    """The log so far. ``strangers`` are events of other rooms in the same partitions."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.now = TICK_MS
        self.room = RoomLog(ROOM, TopicFacts(lag=0))
        self.strangers: dict[LogId, list[Entry]] = {}
        self.entries: dict[LogId, list[Entry]] = {}
        self.starts: dict[LogId, int] = {}
        self._next: dict[LogId, int] = {}
        self._leader = 0
        self.part = self._enter(LogId(TOPIC, 0, 0))
        self.now += TICK_MS

    def steps(self) -> Iterator[bool]:
        """Let one thing happen after the other. Yields whether the room is in another log since the last step."""
        for _ in range(self.random.randint(4, 24)):
            before = self.part.log
            self._step()
            self.now += TICK_MS
            for log, start in self.starts.items():
                self.room.starts.add(log, self.now, start)
            self.now += TICK_MS
            yield self.part.log != before

    def newest(self, key: str) -> int:
        """The offset of a key's newest event in the log that the room is in."""
        return max(entry.offset for entry in self.entries[self.part.log] if entry.key == key)

    def head(self) -> int:
        """The offset of the room's newest event."""
        return self.entries[self.part.log][-1].offset

    def state(self) -> dict[str, int]:
        """The room's state, folded event by event."""
        state: dict[str, int] = {}
        for log, entries in self.entries.items():
            if log.generation != self.part.log.generation:
                continue
            for entry in entries:
                if entry.key is not None and entry.removal:
                    state.pop(entry.key, None)
                elif entry.key is not None:
                    state[entry.key] = entry.value
        return state

    def _step(self) -> None:
        what = self.random.random()
        log = self.part.log
        if what < 0.05:
            self.part = self._enter(log._replace(partition=log.partition + 1))
        elif what < 0.10:
            self.part = self._enter(LogId(TOPIC, log.generation + 1, 0))
        elif what < 0.16:
            self._leader += 1
            self.part = Part(log, self._epoch(log))
            self._append()
        elif what < 0.24:
            self.starts[log] = self.random.randint(self.starts[log], self._next[log])
        else:
            self._append()

    def _enter(self, log: LogId) -> Part:
        self.starts[log] = 0
        self._next[log] = self.random.randint(0, 30)
        self.strangers[log], self.entries[log] = [], []
        self.part = Part(log, self._epoch(log))
        self._append()
        return self.part

    def _epoch(self, log: LogId) -> str:
        return f"{log.generation}-{log.partition}-{self._leader}"

    def _append(self) -> None:
        """An event, and often one of another room before it. Events may have the data of earlier ones."""
        log = self.part.log
        if self.random.random() < 0.5:
            self.strangers[log].append(Entry(self._next[log], self.random.getrandbits(40)))
            self.room.starts.ends[log] = self._next[log]
            self._next[log] += 1
        key = self.random.choice((None, *KEYS))
        removal = key is not None and self.random.random() < 0.15
        value = 1000 * (1 + len(self.entries)) + self.random.randrange(10) + 100 * removal
        entry = Entry(self._next[log], value, key, removal, self.now)
        self.room.starts.ends[log] = entry.offset
        self._next[log] += self.random.randint(1, 3)
        self.entries[log].append(entry)
        self.room.append(log, entry)


class Client:
    """A client, and the server's side of its connection. ``cursor`` is where it would resume."""

    def __init__(self, number: int, world: World, deliver: Deliver) -> None:
        self.trace = Trace(f"client {number}", ROOM, deliver)
        self.cursor: tuple[str, int] | None = None
        self._world = world
        self._random = world.random
        self._connected = False
        self._slow = False
        self._log: LogId | None = None
        self._state: dict[str, int] = {}
        self._complete = True

    def follow(self, *, has_moved: bool) -> None:
        """The log has moved on by a step."""
        if self._connected and has_moved:
            self._start_over(live=True)
        chance = self._random.random()
        if not self._connected:
            if chance < 0.5:
                self._connect()
        elif chance < 0.12:
            self._disconnect()
        elif chance < 0.25:
            self._slow = not self._slow
        if self._connected and not self._slow:
            self._catch_up()

    def settle(self) -> None:
        """The end of the run: the client waits until it has everything, or it is gone."""
        if not self._connected and self._random.random() < 0.5:
            return
        if not self._connected:
            self._connect()
        self._catch_up()
        self._show()
        self.trace.add(Settled())

    def _connect(self) -> None:
        self._connected = True
        self._slow = False
        self.trace.add(Asked(self._world.now))
        if self.cursor is not None and self._random.random() < 0.9:
            self._resume(*self.cursor)
        else:
            self._start_over(live=False, after=None)

    def _resume(self, epoch: str, offset: int) -> None:
        world = self._world
        kept = self._log == world.part.log and world.starts[world.part.log] <= offset + 1
        # An edge may have events in memory that the log has deleted.
        if kept or (self._log == world.part.log and self._random.random() < 0.5):
            after = (epoch, offset)
            self.cursor = (world.part.epoch, offset)
            self.trace.add(Joined(world.part.epoch, world.head(), recovered=True, after=after, at_ms=world.now))
        else:
            self._start_over(live=False, after=(epoch, offset))

    def _start_over(self, *, live: bool, after: tuple[str, int] | None = None) -> None:
        world = self._world
        self._log, self._state, head = world.part.log, world.state(), world.head()
        self._complete = self._random.random() < 0.8
        if not self._complete:
            self._state = {key: value for key, value in self._state.items() if self._random.random() < 0.7}
        entries = world.entries[world.part.log][-self._random.randint(1, 4) :]
        self.cursor = (world.part.epoch, head)
        joined = Joined(
            world.part.epoch,
            head,
            recovered=False,
            state=dict(self._state),
            after=after,
            complete=self._complete,
            live=live,
            recent=tuple((entry.offset, entry.value) for entry in entries if not live),
            at_ms=world.now,
        )
        self.trace.add(joined)

    def _disconnect(self) -> None:
        """Lose the connection, often in the middle of what is being sent."""
        if self._random.random() < 0.5:
            self._catch_up(self._random.randint(0, 3))
        elif self._random.random() < 0.5:
            if not self._slow:
                self._catch_up()
            self._show()
            self.trace.add(Left(0.0 if self._slow else self._world.now))
        self._connected = False

    def _catch_up(self, items_max: int = 1 << 30) -> None:
        """Everything behind the cursor, in steps: with ``latest``, without what newer events have superseded."""
        assert self.cursor is not None
        behind = [entry for entry in self._world.entries[self._world.part.log] if entry.offset > self.cursor[1]]
        while behind and items_max > 0:
            count = self._random.randint(1, len(behind))
            step, behind = behind[:count], behind[count:]
            taken = [entry for entry in step if not self._may_skip(entry)]
            skipped = [entry.offset for entry in step if entry not in taken]
            if skipped:
                self.trace.add(Skipped(skipped[0], skipped[-1], len(skipped), self._world.now))
            for entry in taken[:items_max]:
                self._receive(entry)
            items_max -= len(taken)

    def _may_skip(self, entry: Entry) -> bool:
        if self.trace.deliver == "all" or entry.key is None or self._world.newest(entry.key) == entry.offset:
            return False
        return self._random.random() < 0.9

    def _receive(self, entry: Entry) -> None:
        entries = self._world.entries[self._world.part.log]
        index = entries.index(entry)
        prev = entries[index - 1].offset if index and self._random.random() < 0.9 else None
        epoch = self._world.part.epoch
        self.cursor = (epoch, entry.offset)
        self.trace.add(Received(epoch, entry.offset, prev, entry.value, entry.key, entry.removal))
        if entry.key is not None and entry.removal:
            self._state.pop(entry.key, None)
        elif entry.key is not None:
            self._state[entry.key] = entry.value

    def _show(self) -> None:
        """Only a client that has nothing to catch up on knows what its user sees."""
        assert self.cursor is not None
        if self.cursor[1] == self._world.head():
            self.trace.add(Shown(*self.cursor, dict(self._state)))


class History(NamedTuple):
    """A log, and what its clients saw."""

    world: World
    traces: list[Trace]

    @property
    def room(self) -> RoomLog:
        return self.world.room


def right_history(random: Random) -> History:
    """A history in which every promise was kept."""
    world = World(random)
    clients = [Client(number, world, "latest" if number % 2 else "all") for number in range(CLIENTS)]
    for has_moved in world.steps():
        for client in clients:
            client.follow(has_moved=has_moved)
    for client in clients:
        client.settle()
    return History(world, [client.trace for client in clients])
