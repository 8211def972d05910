"""The presence port in Redis. `shard` says how it lies there.

An exchange is two round trips: a sign of life, which tells who is alive, and one call to each shard. Large reports,
large answers and dead workers take some more, each as short as any.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import msgspec

from touchline_protocol.errors import StoreUnavailable
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.values import milliseconds
from touchline_server.core.presence.port import NOTHING, Answer, Report, Totals
from touchline_server.core.presence.verification import ENTRIES_MAX, ROUND_MS
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.contents import reading
from touchline_server.store.redis.store_errors import raises_store_errors
from touchline_server.store.redis.workers import Workers

from .fleet_view import FleetView, RoomMembers
from .reports import LISTED_ENTRIES, Again, Part, Rotation, cut
from .shard import SHARDS, Shards, load_script, shard_of

ROUNDS_MAX = 20
"""Round trips of one exchange for what can wait: 80,000 entries of dead workers, or as many changes of others. The
rest is left to the next exchange, and to other workers."""
SETTLING_US = 15_000_000
"""A shard that has just begun may lack living workers for this long. Those that have not reported by then are dead."""
FORGET_AFTER_S = 60.0
"""How long a dead worker without traces stays in the list of workers: other stores ask who has died, too."""

CURE = "delete these keys; all workers report everything again"
"""What to do about presence that cannot be read."""

EXCHANGE = load_script("exchange")
TOTALS = load_script("totals")
DEAD = "dead"
"""The mark of a worker that others are removing."""


class _ShardAnswer(msgspec.Struct):
    """The answer of ``exchange.lua``. ``status`` is ok, lost or stale; without ok there is nothing else, but the mark's
    ``generation`` if it is stale."""

    status: str
    generation: int = 0
    number: int = 0
    epoch: int = 0
    now: int = 0
    unswept: bool = False
    more: bool = False
    viewers_seq: int = 0
    players_seq: int = 0
    viewers: list[tuple[str, int]] = []
    members: list[RoomMembers] = []
    workers: list[str] = []


class _TotalsAnswer(msgspec.Struct):
    """The answer of ``totals.lua``."""

    totals: list[int]
    epoch: int
    now: int
    workers: list[str]


class _Shard:
    """What a worker knows about one shard."""

    def __init__(self) -> None:
        self.epoch = 0
        self.number = 0
        self.viewers_seq = 0
        self.players_seq = 0
        self.sweeps = False
        self.marks: dict[str, str] = {}
        """The workers that have something in the shard, with their marks, as of the newest answer."""
        self.parts: list[Part] = []
        """What is left of the report under way, last part first."""
        self.begins = False
        self.new_epoch = 0


_ANSWER = msgspec.msgpack.Decoder(_ShardAnswer)
_TOTALS = msgspec.msgpack.Decoder(_TotalsAnswer)


@raises_store_errors
class RedisPresenceStore:
    """Presence of a fleet whose workers share a Redis. It implements `PresenceStore` for the worker in ``workers``.

    ``settings`` are the same on all workers. With ``settings.records``, changes go to the outbox (`RedisOutbox`).
    """

    def __init__(self, connection: RedisConnection, workers: Workers, settings: PresenceSettings) -> None:
        assert "\n" not in workers.name  # noqa: S101 - lists of workers in Redis are separated by it
        self._workers = workers
        self._shards = Shards(connection)
        self._keys = f"{self._shards.key('*')}:*"
        self._common = {
            "worker": workers.name,
            "members_max": settings.members_max,
            "outbox_max": max(1, settings.outbox_max // SHARDS) if settings.records else 0,
            "room_state_ms": milliseconds(settings.room_state_s),
        }
        self._members_max = settings.members_max
        self._states = [_Shard() for _ in range(SHARDS)]
        self._view = FleetView(settings.members_max)
        reports = max(1, ROUND_MS // milliseconds(settings.interval_s))
        self._watched_again, self._listed_again = Rotation(reports), Rotation(reports)
        self._generation = 0
        self._has_arrived = False
        """Whether the shards have all that was reported, as far as the answers tell."""
        self._before = NOTHING
        self._gone: dict[str, float] = {}
        """When dead workers were first seen to have left no traces."""
        self._alive_before: frozenset[str] = frozenset()
        self._vanished: dict[str, float] = {}
        """When workers that were alive vanished from Redis: if it was emptied, they are about to report again."""

    async def exchange(self, report: Report) -> Answer:
        """Report this worker's rooms, and learn about the fleet's."""
        if not report.is_whole and not self._has_arrived:
            raise StoreUnavailable("the report before may not have arrived: the next one has to be whole")
        self._has_arrived = False
        dead = await self._workers.beat()
        self._note_vanished(dead)
        self._begin(report)
        complete = await self._rounds()
        self._before = report
        self._has_arrived = True
        await self._forget(dead)
        return self._view.changes(complete=complete)

    async def viewers(self, rooms: Collection[str]) -> Totals:
        """The totals of rooms."""
        by_shard: defaultdict[int, list[str]] = defaultdict(list)
        for room in rooms:
            by_shard[shard_of(room)].append(room)
        calls = {shard: {"rooms": names} for shard, names in by_shard.items()}
        raw = await self._shards.run(TOTALS, calls)
        with reading(self._keys, CURE):
            answers = {shard: _TOTALS.decode(answer) for shard, answer in raw.items()}
            totals = {
                room: total
                for shard, answer in answers.items()
                for room, total in zip(by_shard[shard], answer.totals, strict=True)
            }
            complete = all(self._is_complete(each.epoch, each.now, each.workers) for each in answers.values())
        return Totals(totals, complete)

    def _begin(self, report: Report) -> None:
        before, again = self._before, Again()
        if report.is_whole:
            self._generation += 1
            self._view = FleetView(self._members_max)
            before = NOTHING
        else:
            again = Again(
                self._watched_again.take(report.watched, ENTRIES_MAX),
                self._listed_again.take(report.listed, ENTRIES_MAX // LISTED_ENTRIES),
            )
        self._view.begin(
            None if report.watched is before.watched else report.watched,
            None if report.listed is before.listed else report.listed,
        )
        parts = cut(report, before.watched, before.listed, again)
        for number, shard in enumerate(self._states):
            shard.parts = parts.get(number, [])[::-1]
            shard.begins = report.is_whole
            shard.sweeps = shard.sweeps or report.is_whole

    async def _rounds(self) -> bool:
        """Call the shards until they have everything. Returns whether they have all living workers."""
        waiting: Collection[int] = range(SHARDS)
        complete = True
        for n in range(ROUNDS_MAX + sum(len(shard.parts) for shard in self._states)):
            calls = {number: self._call(self._states[number]) for number in waiting}
            raw = await self._shards.run(EXCHANGE, calls)
            with reading(self._keys, CURE):
                answers = {number: _ANSWER.decode(answer) for number, answer in raw.items()}
                for number, answer in answers.items():
                    self._take(self._states[number], answer)
                if n == 0:
                    complete = all(self._is_complete(each.epoch, each.now, each.workers) for each in answers.values())
            waiting = [number for number, answer in answers.items() if self._has_more(self._states[number], answer)]
            if not waiting:
                break
        for shard in self._states:
            shard.epoch = shard.new_epoch
        return complete

    def _call(self, shard: _Shard) -> dict[str, object]:
        part = shard.parts.pop() if shard.parts else Part()
        is_last = not shard.parts
        dead = [text for name, mark in shard.marks.items() if name not in self._workers.alive for text in (name, mark)]
        return {
            **self._common,
            **msgspec.structs.asdict(part),
            "generation": self._generation,
            "number": shard.number,
            "begins": shard.begins,
            "epoch": shard.epoch,
            "sweeps": shard.sweeps and is_last,
            "dead": dead if is_last else [],
            "reads": is_last,
            "viewers_since": shard.viewers_seq,
            "players_since": shard.players_seq,
        }

    def _take(self, shard: _Shard, answer: _ShardAnswer) -> None:
        if answer.status != "ok":
            self._generation = max(self._generation, answer.generation)
            raise StoreUnavailable(
                "Redis has lost what this worker had reported of presence; it reports all of it again"
            )
        if not shard.parts and not answer.unswept:
            shard.sweeps = False
        shard.begins = False
        shard.number, shard.new_epoch = answer.number, answer.epoch
        shard.viewers_seq, shard.players_seq = answer.viewers_seq, answer.players_seq
        shard.marks = dict(zip(answer.workers[::2], answer.workers[1::2], strict=True))
        for room, total in answer.viewers:
            self._view.take_viewers(room, total)
        unknown = [news.room for news in answer.members if not self._view.take_members(news)]
        if unknown:
            shard.parts.insert(0, Part(add_listed=unknown))

    def _has_more(self, shard: _Shard, answer: _ShardAnswer) -> bool:
        return bool(shard.parts) or answer.more or answer.unswept

    def _is_complete(self, epoch: int, now: int, workers: Sequence[str]) -> bool:
        """Whether a shard has all living workers, or would have them by now."""
        if epoch == 0:
            return False  # nobody has reported since Redis was emptied
        if now - epoch > SETTLING_US:
            return True
        marks = dict(zip(workers[::2], workers[1::2], strict=True))
        return all(marks.get(name, DEAD) != DEAD for name in self._workers.alive | self._vanished.keys())

    def _note_vanished(self, dead: Iterable[str]) -> None:
        """Note who has vanished: neither alive nor dead. A worker that stops in an orderly way vanishes too."""
        now_s, alive = time.monotonic(), self._workers.alive
        names = (self._vanished.keys() | self._alive_before).difference(alive, dead)
        since_s = {name: self._vanished.get(name, now_s) for name in names}
        self._vanished = {name: at_s for name, at_s in since_s.items() if now_s - at_s <= SETTLING_US / 1e6}
        self._alive_before = alive

    async def _forget(self, dead: Iterable[str]) -> None:
        """Forget workers that have been dead for a while, and have left nothing in any shard."""
        now_s = time.monotonic()
        gone = [name for name in dead if not any(name in shard.marks for shard in self._states)]
        self._gone = {name: self._gone.get(name, now_s) for name in gone}
        for name, since_s in self._gone.items():
            if now_s - since_s > FORGET_AFTER_S:
                await self._workers.forget(name)
