"""Which catch-ups are read for next, and what comes of it.

Rules:

1. Connections take turns, and a turn is one read or one question. So a client with one room waits for at most one read
   of each other connection, however many rooms those have, and a connection has one read under way at most.
2. A read serves all subscriptions of its partition whose cursors lie in it, of all rooms and clients, also those that
   came while it was under way, or within `CHUNK_KEPT_MS` after it. A client's lowest cursor is read for first, so
   that one pass over the partition serves all of its rooms.
3. At most ``concurrency`` reads and questions are under way.
4. A turn of the shell serves as many subscriptions as its budget allows, and asks for as many clients at most as
   `CLIENTS_PER_TURN_MAX`: a chunk can be for everybody.
5. Flow control has a say after each part of a chunk that is as large as a step: a client that takes no more leaves the
   queue, and comes again later.

The shell reads (`ReadLog`, `AskLogEnd`) and answers; a log that does not answer is asked again after `RETRY_MS`.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeAlias

from touchline_protocol import codes
from touchline_server.core.catch_up import CatchUpQueue
from touchline_server.core.clients.client import Client, ClientHub, ClientSubscription
from touchline_server.core.clocks import LoopMs, Now
from touchline_server.core.effects import AskLogEnd, Effect, Owner, ReadLog, Unreachable
from touchline_server.core.log import Chunk
from touchline_server.core.rooms.partition_window import PartitionWindow
from touchline_server.core.rooms.room import Delivery
from touchline_server.core.subscription import GO_ON, NextStep, Phase, Step
from touchline_server.core.write_scheduler import Budget

from .partition_reads import CHUNK_RECORDS, PartitionReads, Read
from .places import PlaceLookups
from .shared_chunk import SharedChunk
from .turns import Turns

CHUNKS_MAX = 8
"""Chunks kept, about half a megabyte each: as many as there are cursors in a storm, give or take."""

CHUNK_KEPT_MS = 2_000
"""How long: clients that come back together do so within a moment, and slow readers ask for the rest of one."""

CLIENTS_PER_TURN_MAX = 256
"""Clients that are looked at in one turn of the shell, each for 5 us and more, because they need the log."""

STEPS_PER_SERVING = 2
"""The steps of a turn that giving a subscription its part of a chunk counts as: it takes twice as long as a join."""

RETRY_MS = 500
"""Between two attempts of a catch-up while the log does not answer."""

Term: TypeAlias = tuple[PartitionWindow, int]
"""A term of a partition."""


class _Question(NamedTuple, Generic[Owner]):
    """A question under way: where a term ends. It is asked for those that waited then: later ones may know more."""

    client: Client[Owner]
    subscriptions: dict[ClientSubscription[Owner], None]


class _Serving(NamedTuple, Generic[Owner]):
    """A chunk that was read, the subscriptions it is still to be offered to, and the clients that wait for it."""

    partition: PartitionReads[Owner]
    chunk: SharedChunk[Owner]
    subscriptions: Iterator[ClientSubscription[Owner]]
    clients: list[Client[Owner]]


class ReplayQueue(Generic[Owner]):
    """The catch-ups that need the log. Subscriptions that need it no more go back to ``catch_up``."""

    def __init__(
        self, hub: ClientHub[Owner], catch_up: CatchUpQueue[Owner], concurrency: int, move_margin_ms: int
    ) -> None:
        self._hub = hub
        self._catch_up = catch_up
        self._free = concurrency
        self._places = PlaceLookups(catch_up, move_margin_ms)
        self._turns: Turns[Client[Owner], ClientSubscription[Owner]] = Turns()
        self._partitions: dict[PartitionWindow, PartitionReads[Owner]] = {}
        self._partition_of: dict[ClientSubscription[Owner], PartitionReads[Owner]] = {}
        self._term_of: dict[ClientSubscription[Owner], Term] = {}
        self._unasked: dict[Term, dict[ClientSubscription[Owner], None]] = {}
        self._reads: dict[int, tuple[PartitionReads[Owner], Read[Owner]]] = {}
        self._questions: dict[int, _Question[Owner]] = {}
        self._servings: deque[_Serving[Owner]] = deque()
        self._kept: deque[SharedChunk[Owner]] = deque(maxlen=CHUNKS_MAX)
        self._retries: deque[tuple[LoopMs, ClientSubscription[Owner]]] = deque()
        self._numbers = 0

    def add(self, subscription: ClientSubscription[Owner], need: NextStep) -> None:
        """Queue a subscription whose step asked for the log: to read it (`NextStep.LOG`), or for an offset."""
        if need is NextStep.PLACE:
            self._places.add(subscription)
            return
        window = subscription.room.contents.window
        if need is NextStep.LOG:
            partition = self._partitions.get(window)
            if partition is None:
                partition = self._partitions[window] = PartitionReads(window)
            partition.waiting[subscription] = None
            self._partition_of[subscription] = partition
        else:
            term = self._term_of[subscription] = (window, subscription.term)
            self._unasked.setdefault(term, {})[subscription] = None
        self._turns.add(subscription.client, subscription)

    @property
    def waiting(self) -> int:
        """How many catch-ups need the log."""
        return len(self._partition_of) + len(self._term_of)

    @property
    def under_way(self) -> int:
        """How many reads and questions the log has not answered yet."""
        return len(self._reads) + len(self._questions)

    @property
    def kept_bytes(self) -> int:
        """The size of the chunks that are kept to be shared: their values alone."""
        return sum(chunk.size_bytes for chunk in self._kept)

    @property
    def has_work(self) -> bool:
        """Whether `take_steps` has something to do."""
        return bool(self._servings) or (self._free > 0 and self._turns.has_queued)

    def take_steps(self, budget: Budget, now: Now) -> Iterator[Effect[Owner]]:
        """Hand out what was read, within a budget, and ask for more."""
        bytes_left, steps_left = budget.catch_up_bytes, budget.catch_up_steps
        while self._servings and bytes_left > 0 and steps_left > 0:
            serving = self._servings[0]
            subscription = next(serving.subscriptions, None)
            if subscription is None:
                self._servings.popleft()
                for client in serving.clients:
                    self._turns.give_back(client)
                continue
            steps_left -= STEPS_PER_SERVING
            for effect in self._serve([subscription], serving.partition, serving.chunk, now):
                bytes_left -= len(effect.data) if isinstance(effect, Delivery) else 0
                yield effect
        yield from self.start_queued(now)

    def start_queued(self, now: Now) -> Iterator[Effect[Owner]]:
        """Ask the log for as much as may be under way; `take_steps` goes on."""
        yield from self._places.start_queued(now)
        for _ in range(CLIENTS_PER_TURN_MAX):
            if not self._free or (client := self._turns.take()) is None:
                return
            yield from self._take_turn(client, now)

    def log_read(self, number: int, answer: Chunk | Unreachable | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to a `ReadLog`; None if the log does not hold what was asked for any more."""
        partition, read = self._reads.pop(number)
        partition.reads.remove(read)
        self._free += 1
        if read.generation != partition.window.generation:
            pass  # records were lost since: those who waited start over, and for others it is asked again
        elif isinstance(answer, Chunk):
            partition.was_read(read)
            chunk: SharedChunk[Owner] = SharedChunk(partition.window, read.range.after, answer, read.started_ms)
            self._kept.append(chunk)
            self._servings.append(_Serving(partition, chunk, iter(list(partition.waiting)), read.clients))
            return
        elif answer is None:
            for subscription in [each for each in partition.waiting if partition.asks_for(read, each)]:
                step = GO_ON if subscription.is_over else subscription.out_of_reach()
                yield from self._finish(subscription, step, now)
        else:
            for subscription in [each for each in partition.waiting if partition.serves(read, each)]:
                yield from self._put_off(subscription, answer, now)
        for client in read.clients:
            self._turns.give_back(client)
        yield from self.start_queued(now)

    def log_end(self, number: int, end: int | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to an `AskLogEnd`: where the term ends, 0 if the log has none of it; None if it did not answer."""
        question = self._questions.pop(number)
        self._free += 1
        for subscription in question.subscriptions:
            step = GO_ON if subscription.is_over else subscription.at_log_end(end)
            yield from self._finish(subscription, step, now)
        self._turns.give_back(question.client)
        yield from self.start_queued(now)

    def offset_found(self, number: int, answer: int | Unreachable | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to a `FindOffset`; None if the log does not reach back that far."""
        yield from self._places.found(number, answer, now)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """Ask again what the log did not answer, and release chunks that are too old to be shared."""
        while self._kept and now.loop_ms - self._kept[0].started_ms > CHUNK_KEPT_MS:
            self._kept.popleft()
        self._places.tick(now)
        kept = {chunk.window for chunk in self._kept}
        for partition in list(self._partitions.values()):
            if partition.is_idle and partition.window not in kept:
                del self._partitions[partition.window]
        while self._retries and self._retries[0][0] <= now.loop_ms:
            self.add(self._retries.popleft()[1], NextStep.LOG)
        yield from self.start_queued(now)

    def _take_turn(self, client: Client[Owner], now: Now) -> Iterator[Effect[Owner]]:
        """Ask for what a client needs next, unless it is there, or was asked for already."""
        yield from self._drop_needless(client, now)
        subscription = next(iter(self._turns.items(client)), None)
        if subscription is None:
            self._turns.give_back(client)
        elif subscription in self._term_of:
            yield self._ask_end(client, self._term_of[subscription])
        else:
            yield from self._read_on(client, self._partition_of[subscription], now)

    def _drop_needless(self, client: Client[Owner], now: Now) -> Iterator[Effect[Owner]]:
        """Ask nothing for those that left or start over, or who take no more: joining and leaving costs no reads."""
        for subscription in list(self._turns.items(client)):
            is_paused = client.paused_ms is not None and subscription in self._partition_of
            if subscription.is_over or is_paused or not self._needs_log(subscription):
                yield from self._finish(subscription, GO_ON, now)

    def _needs_log(self, subscription: ClientSubscription[Owner]) -> bool:
        return subscription in self._term_of or subscription.cursor < subscription.room.contents.floor

    def _ask_end(self, client: Client[Owner], term: Term) -> AskLogEnd:
        """Ask for a client, and for all others who wait for the same."""
        subscriptions = self._unasked.pop(term)
        for subscription in subscriptions:
            self._turns.remove(subscription.client, subscription)
        self._free -= 1
        self._numbers += 1
        self._questions[self._numbers] = _Question(client, subscriptions)
        return AskLogEnd(self._numbers, *term)

    def _read_on(self, client: Client[Owner], partition: PartitionReads[Owner], now: Now) -> Iterator[Effect[Owner]]:
        """Bring a client forward in one partition, by a chunk that is there, a read under way, or another read."""
        own = [each for each in self._turns.items(client) if self._partition_of.get(each) is partition]
        subscription = partition.next_of(own)
        chunk = self._chunk_for(subscription, partition)
        if chunk is not None:
            yield from self._serve(own, partition, chunk, now)
            self._turns.give_back(client)
            return
        read = partition.read_for(subscription)
        if read is not None:
            read.clients.append(client)
            return
        read = Read(partition.range_for(subscription), client, now.loop_ms)
        partition.reads.append(read)
        self._free -= 1
        self._numbers += 1
        self._reads[self._numbers] = (partition, read)
        yield ReadLog(self._numbers, read.range, CHUNK_RECORDS)

    def _chunk_for(
        self, subscription: ClientSubscription[Owner], partition: PartitionReads[Owner]
    ) -> SharedChunk[Owner] | None:
        if not partition.is_proven(subscription):
            return None
        chunks = (each for each in self._kept if each.window is partition.window)
        return next((chunk for chunk in chunks if chunk.covers(subscription.cursor)), None)

    def _serve(
        self,
        subscriptions: list[ClientSubscription[Owner]],
        partition: PartitionReads[Owner],
        chunk: SharedChunk[Owner],
        now: Now,
    ) -> Iterator[Effect[Owner]]:
        """Give each subscription its part of a chunk, if it has one."""
        for subscription in subscriptions:
            is_waiting = subscription in partition.waiting
            if is_waiting and chunk.covers(subscription.cursor) and partition.is_proven(subscription):
                yield from self._advance(subscription, chunk, now)

    def _advance(
        self, subscription: ClientSubscription[Owner], chunk: SharedChunk[Owner], now: Now
    ) -> Iterator[Effect[Owner]]:
        """Write a subscription's part of a chunk. If the rest is in the window or out of reach, it is done here."""
        client = subscription.client
        if subscription.is_over or not self._needs_log(subscription):
            yield from self._finish(subscription, GO_ON, now)
            return
        for events, reached in chunk.parts(self._hub, subscription):
            if client.paused_ms is not None:
                break  # what is left of the chunk is read again
            data = subscription.replay(events, reached).data
            if data:
                yield from self._catch_up.write(client, data, now)
        if client.paused_ms is not None or not self._needs_log(subscription):
            yield from self._finish(subscription, GO_ON, now)
        elif subscription.is_out_of_reach:
            yield from self._finish(subscription, subscription.out_of_reach(), now)

    def _put_off(
        self, subscription: ClientSubscription[Owner], unreachable: Unreachable, now: Now
    ) -> Iterator[Effect[Owner]]:
        """The log does not answer: refuse a client that joins, and let one that was joined wait."""
        self._remove(subscription)
        if subscription.phase is Phase.JOINING:
            client = subscription.client
            why = f"only the log has the events since the cursor, and it does not answer: {unreachable.why}"
            client.refuse(subscription, codes.UNAVAILABLE, why)
            yield from client.take_effects(now)
        elif subscription.phase is not Phase.LEFT:
            subscription.behind_since_ms = None  # it is the log that is late
            self._retries.append((LoopMs(now.loop_ms + RETRY_MS), subscription))

    def _finish(self, subscription: ClientSubscription[Owner], step: Step, now: Now) -> Iterator[Effect[Owner]]:
        self._remove(subscription)
        if subscription.phase is not Phase.LEFT:
            yield from self._catch_up.write_step(subscription, step, now)

    def _remove(self, subscription: ClientSubscription[Owner]) -> None:
        self._turns.remove(subscription.client, subscription)
        partition = self._partition_of.pop(subscription, None)
        if partition is not None:
            del partition.waiting[subscription]
        term = self._term_of.pop(subscription, None)
        waiting = self._unasked.get(term) if term is not None else None
        if term is not None and waiting is not None:
            waiting.pop(subscription, None)
            if not waiting:
                del self._unasked[term]
