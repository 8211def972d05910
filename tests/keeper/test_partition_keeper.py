"""Whatever keepers do to each other and whenever they are killed, a kept room is what a core makes of the whole log.

The machine is a log of one partition, a store in memory, and keepers that take steps one at a time: each call to the
store is a step, before and after which a keeper may be killed, or another one may go on. The log may be cut back and
grow again, the store may be emptied or set back to an older copy.
"""

import copy
from collections.abc import Coroutine, Generator
from typing import Any, NamedTuple, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.core_edge import HUB, TOPIC, CoreEdge, LogRecord, record
from support.thoroughness import examples
from touchline_server.core.log import Records
from touchline_server.core.room_keeping import KeptPartition, Moved, Progress, RoomKeeping
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom
from touchline_server.keeper.partition_keeper import KeptFeed, PartitionKeeper
from touchline_server.keeper.room_cache import RoomCache
from touchline_server.store.memory.rooms import MemoryRooms

PARTITION = KeptPartition(TOPIC, "e1", 0)
ROOMS = ("a", "b", "c")
KEYS = (None, "score", "clock", "half", "lineup")
STATE_BYTES_MAX = 600
FEED = KeptFeed("score", None, STATE_BYTES_MAX, lambda _key, _count: 0, "keeper-1")
"""Room for a few keys, so that states overflow."""
RECORDS = st.tuples(st.sampled_from(ROOMS), st.sampled_from(KEYS), st.integers(0, 200))
T = TypeVar("T")


class _Step:
    """Awaiting it lets somebody else go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class SteppedRooms(RoomKeeping):
    """A store that lets others go on before each step, as one over the network does."""

    def __init__(self, rooms: MemoryRooms) -> None:
        self._rooms = rooms

    async def progress(self, partition: KeptPartition) -> Progress | None:
        await _Step()
        return await self._rooms.progress(partition)

    async def begin(self, partition: KeptPartition, progress: Progress) -> Progress:
        await _Step()
        return await self._rooms.begin(partition, progress)

    async def discard(self, partition: KeptPartition, build: str) -> None:
        await _Step()
        await self._rooms.discard(partition, build)

    async def rooms(self, partition: KeptPartition, build: str, room_ids: Any) -> Any:
        await _Step()
        return await self._rooms.rooms(partition, build, room_ids)

    async def write(self, partition: KeptPartition, expected: Progress, written: Progress, changes: Any) -> list[str]:
        await _Step()
        self._rooms.intend(partition, expected, written)
        conflicts: list[str] = []
        for change in changes:
            await _Step()
            if not self._rooms.write_room(partition, expected, written, change):
                conflicts.append(change.room_id)
        await _Step()
        return conflicts

    async def advance(self, partition: KeptPartition, progress: Progress) -> None:
        await _Step()
        await self._rooms.advance(partition, progress)
        await _Step()

    async def note_layout(self, topic: str, epoch: str, *, partitions: int, scattered: bool) -> bool:
        return await self._rooms.note_layout(topic, epoch, partitions=partitions, scattered=scattered)


class TermRecord(NamedTuple):
    record: LogRecord
    term: int


class Keeping(RuleBasedStateMachine):
    """Keepers of one partition."""

    @initialize()
    def begin(self) -> None:
        self.log: list[TermRecord] = []
        self.term = 1
        self.rooms = MemoryRooms()
        self.copies = [copy.deepcopy(self.rooms)]
        self.keepers: list[Coroutine[Any, Any, None]] = []
        self.builds = 0

    @rule(records=st.lists(RECORDS, min_size=1, max_size=6))
    def produce(self, records: list[tuple[str, str | None, int]]) -> None:
        for room, key, size in records:
            value = None if key and size % 4 == 0 else b'"%s"' % (b"x" * size)
            self.log.append(TermRecord(record(len(self.log), key, value=value, room=room), self.term))

    @rule()
    def elect(self) -> None:
        self.term += 1

    @precondition(lambda self: self.log)
    @rule(lost=st.integers(1, 5))
    def cut_back(self, lost: int) -> None:
        del self.log[-lost:]
        self.term += 1

    @rule()
    def start_keeper(self) -> None:
        keeper = self._keep()
        keeper.send(None)
        self.keepers.append(keeper)

    def teardown(self) -> None:
        for keeper in self.keepers:
            keeper.close()

    @precondition(lambda self: self.keepers)
    @rule(data=st.data(), steps=st.integers(1, 12))
    def go_on(self, data: st.DataObject, steps: int) -> None:
        keeper = data.draw(st.sampled_from(self.keepers))
        for _ in range(steps):
            try:
                keeper.send(None)
            except StopIteration:
                self.keepers.remove(keeper)
                return

    @precondition(lambda self: self.keepers)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        keeper = data.draw(st.sampled_from(self.keepers))
        self.keepers.remove(keeper)
        keeper.close()

    @rule()
    def save_store(self) -> None:
        self.copies.append(copy.deepcopy(self.rooms))

    @rule(data=st.data())
    def restore_store(self, data: st.DataObject) -> None:
        self._become(data.draw(st.sampled_from(self.copies)))

    def _become(self, saved: MemoryRooms) -> None:
        self.rooms.__dict__.update(copy.deepcopy(saved).__dict__)

    @rule()
    def check(self) -> None:
        """A keeper that nobody disturbs brings the store up to the log; then all rooms are as the log says."""
        for _ in range(3):  # what others have done may have to be discarded first
            _finish(self._keep())
        for room in ROOMS:
            stored = _finish(self.rooms.load(RoomKey(TOPIC, "e1", 0, room), before=len(self.log)))
            assert not isinstance(stored, NotYet), stored
            if stored is not None:
                self._compare(room, stored)

    def _compare(self, room: str, stored: StoredRoom) -> None:
        edge = CoreEdge(hub=HUB._replace(state_bytes_max=STATE_BYTES_MAX))
        if self.log:
            edge.apply(Records(TOPIC, 0, [each.record for each in self.log], len(self.log)))
            edge.flush()
        known = edge.hub.rooms.get(f"score:{room}")
        state = {} if known is None else {key: (one.offset, one.value) for key, one in known.contents.state.items()}
        kept = {one.headers[0][1].decode(): (one.offset, one.value) for one in stored.state}
        assert kept == state
        assert stored.head == (None if known is None else known.contents.head)
        assert stored.complete == (known is None or known.contents.state_complete)

    async def _keep(self) -> None:
        """One session of a keeper: finds its place as `touchline_server.keeper.session` does, and writes in batches."""
        keeping = SteppedRooms(self.rooms)
        try:
            keeper = await self._placed(keeping)
            while True:
                batch = self.log[keeper.next_offset : keeper.next_offset + 4]
                if not batch:
                    return
                for each in batch:
                    keeper.begin_term(each.record.offset, each.term)
                keeper.take([each.record for each in batch], batch[-1].record.offset + 1)
                await keeper.write()
                if not self._holds(keeper.progress):
                    await keeping.discard(PARTITION, keeper.progress.build)
                    return
        except Moved:
            return

    async def _placed(self, keeping: RoomKeeping) -> PartitionKeeper:
        await keeping.note_layout(TOPIC, "e1", partitions=1, scattered=False)
        progress = await keeping.progress(PARTITION)
        if progress is not None and not self._holds(progress):
            await keeping.discard(PARTITION, progress.build)
            progress = None
        if progress is None:
            self.builds += 1
            progress = await keeping.begin(PARTITION, Progress(f"b{self.builds}", 0, 0, -1, -1, True, FEED.built_with))
            if not self._holds(progress):
                raise Moved
        return PartitionKeeper(PARTITION, 1, FEED, keeping, RoomCache(1 << 20), progress, scattered=False)

    def _holds(self, progress: Progress) -> bool:
        """Whether the log holds all that was written, as OffsetForLeaderEpoch tells."""
        if progress.term < 0:
            return progress.written == 0
        end = max((each.record.offset + 1 for each in self.log if each.term <= progress.term), default=0)
        has_term = any(each.term == progress.term for each in self.log)
        return has_term and end >= progress.written


def _finish(work: Coroutine[Any, Any, T]) -> T:
    while True:
        try:
            work.send(None)
        except StopIteration as ended:
            result: T = ended.value
            return result


TestKeeping = Keeping.TestCase
TestKeeping.settings = settings(max_examples=examples(0.4), stateful_step_count=40, deadline=None)
