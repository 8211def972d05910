"""What an edge has to know of its rooms: their states, as they follow from the records that it was given to read.

The checker allows any state that an edge may have at a time, such as one of before a move that it has not read to its
end. Here it is known what each edge has read, so its states are compared with the only right one.
"""

from typing import TypeAlias

from touchline_loadtest.checks.partition_log import PartitionLog
from touchline_server.core.log import LogEvent, OffsetsLost, PartitionsAdded, Records, TopicOpened

from .log import Log

State: TypeAlias = dict[str, int]


class _Known:
    """A room in one epoch: its state before this edge read any record of the epoch, and the offsets that it read.

    ``lost`` has what was known before records were lost, with the offset at which the edge went on after them: a client
    may get a message from that time later.
    """

    def __init__(self, before: State) -> None:
        self.before = before
        self.offsets: set[int] = set()
        self.lost: list[tuple[int, State, set[int]]] = []

    def as_of(self, head: int) -> tuple[State, set[int]]:
        return next(
            ((state, offsets) for start, state, offsets in self.lost if head < start - 1), (self.before, self.offsets)
        )


class EdgeKnowledge:
    """Is shown each event of the log that an edge is given. ``stored``: the edge can ask a store for older state."""

    def __init__(self, log: Log, *, stored: bool) -> None:
        self.store_failures: set[str] = set()
        self._log = log
        self._stored = stored
        self._epochs: dict[str, str] = {}
        self._starts: dict[str, int] = {}
        self._overtaken: set[str] = set()  # the epochs in which records were deleted before this edge read them
        self._known: dict[tuple[str, str], _Known] = {}
        self._newest: dict[str, str] = {}  # the epoch that each room is in

    def observe(self, event: LogEvent) -> None:
        if isinstance(event, TopicOpened):
            self._epochs[event.topic] = event.epoch
            feed = event.topic.removesuffix("-events")
            self._newest = {room: epoch for room, epoch in self._newest.items() if not room.startswith(feed + ":")}
        if isinstance(event, TopicOpened | PartitionsAdded):
            for partition, start in event.starts.items():
                self._starts[f"{self._epochs[event.topic]}-{partition}-0"] = start
        elif isinstance(event, OffsetsLost):
            self._lose(f"{self._epochs[event.topic]}-{event.partition}-0", event.start)
        elif isinstance(event, Records):
            self._read(event)

    def may_lack_keys(self, room: str) -> bool:
        """Whether a state may lack what is from before the edge's window, though the edge does not say so."""
        return not self._stored or room in self.store_failures

    def may_show(self, room: str, epoch: str, head: int, state: State) -> bool:
        """Whether a client that joins a room as of ``head`` may be shown this state."""
        history = self._history(room, epoch)
        before, offsets = (self._known.get((room, epoch)) or _Known({})).as_of(head)
        read = _fold(before, history, up_to=head, among=offsets)
        if not self._stored:
            return state == read
        older = _fold({}, history, up_to=min(head, self._starts[epoch] - 1))
        if state == _fold(older, history, up_to=head, among=offsets):
            return True
        return room in self.store_failures and state == read

    def _read(self, event: Records) -> None:
        feed = event.topic.removesuffix("-events")
        epoch = f"{self._epochs[event.topic]}-{event.partition}-0"
        for record in event.records:
            room = f"{feed}:{(record.key or b'').decode()}"
            known = self._known.get((room, epoch))
            if known is None:
                known = self._known[room, epoch] = _Known(self._state_before_move(room, epoch))
            self._newest[room] = epoch
            known.offsets.add(record.offset)

    def _lose(self, lost_in: str, start: int) -> None:
        """Records were deleted before they were read: what the edge knew may not hold any more."""
        self._starts[lost_in] = start
        self._overtaken.add(lost_in)
        for (_, epoch), known in self._known.items():
            if epoch == lost_in:
                known.lost.append((start, known.before, known.offsets))
                known.before, known.offsets = {}, set()

    def _state_before_move(self, room: str, to: str) -> State:
        """What a room keeps when it moves: nothing if it may have had records there that were lost."""
        epoch = self._newest.get(room)
        if epoch is None or to in self._overtaken:
            return {}
        known = self._known[room, epoch]
        return _fold(known.before, self._history(room, epoch), up_to=1 << 60, among=known.offsets)

    def _history(self, room: str, epoch: str) -> PartitionLog:
        return self._log.room(room).parts.get(self._log.log_ids[epoch]) or PartitionLog()


def _fold(before: State, history: PartitionLog, *, up_to: int, among: set[int] | None = None) -> State:
    """The state after the events up to an offset; ``among``: only these were read."""
    state = dict(before)
    for entry in history.newest(up_to, among):
        assert entry.key is not None
        if entry.removal:
            state.pop(entry.key, None)
        else:
            state[entry.key] = entry.value
    return state
