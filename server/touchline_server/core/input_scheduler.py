"""Whose input is served next, and how much of it: no client's messages may keep an edge from all others.

Between two turns an edge does a bounded amount of work for what clients send. A connection that still has input when
its share or the turn's budget is used up waits, unread, and is served in a later turn. Those that wait take turns.
Turns follow each other at once; floods, and requests that come in pieces, have to wait for steps of time instead.

Work is counted in units of roughly 20 us: a frame is one, whatever its kind (a ping, a fragment), and so is each KiB,
each room that a message asks for or leaves, and each refusal. A hundred rooms fit into one message, so to count
messages and bytes alone would not bound the work.

Rules:

1. Connections that sent much lately (`CALM_UNITS`) have a lane of their own, and its budget: a client that floods waits
   behind other floods, and a client that joins, acts or refreshes its token does not. So have newcomers, since a client
   that is closed for flooding can connect again: it delays other newcomers, and nobody who is there already.
   The busy lane is served once per `STEP_MS`, so all floods together take a sixth of the core, and not all of it.
2. A frame is served whole, and its work is known afterwards, so a budget can be exceeded by one frame. The excess is
   taken off the budgets of the lane's next turns.
3. In a lane, those that wait are served in the order in which they began to: whatever the others send, a connection
   waits for no more turns than a share and a frame of each of them can fill.
4. A request that comes in pieces costs a read for each. After `PROMPT_PIECES`, the connection is read from in steps,
   a few at each, and what has come meanwhile is one piece.
5. Nothing here is per delivery, and nothing is kept for a connection that has sent nothing for some seconds.

Worked example: 20 clients ask for 100 rooms in a loop, at 100 units each time, and one acts. The busy lane serves one
such message, owes 84 units, and pauses for six steps, 12 ms. The client that acts is served meanwhile, at once.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple

from .clocks import LoopMs
from .effects import Owner, ServeInput

UNIT_BYTES = 1024
"""Bytes of input that count as one unit: decoding and checking a KiB of JSON takes about as long as a small message."""

FRAME_WORK = 1
"""Units of a frame, or of any bytes that arrive."""

OPENING_WORK = 8
"""Units of an opening request: parsing and answering it, and a new client, take about 200 us."""

TOKEN_WORK = 8
"""Units of a token that is checked: an ES256 signature takes about 150 us."""


CALM_UNITS = 128
"""Work that leaves a connection in the calm lane: within about a second, 2.5 ms of CPU. A client that connects and asks
for a hundred rooms needs 111, and one that acts 20 times per second needs 40."""

STEP_MS = 2
"""How often floods, slow requests and late connections are served. Each step is short, so that it delays an event by
less than the event takes through the network, and rare enough that a step that has nothing to do costs nothing."""

PROMPT_PIECES = 2
"""Pieces of a request that are read at once. A request of 1 KiB comes in one, with a long token in two or three."""

SLOW_READS_PER_STEP = 3
"""Connections with slow requests that are read from in a step. A read takes about 30 us. One phone on a bad link waits
for a step; beside thousands of connections that send byte by byte it waits for its turn, as they do."""

DECAY_MS = 1000
"""How often the work that was done for a connection is halved. A newcomer is one for up to twice as long."""


class InputBudget(NamedTuple):
    """Units of work between two turns, or steps for ``busy``: of all connections of a lane together, and of one.

    ``calm``: 32 take about 0.6 ms, as long as a slice of a large flush, so input delays an event no more than another
    room does. ``newcomers``: an action needs some four turns to be answered, and an event as many from Kafka to the
    sockets, so turns have to be short while others flood. ``busy``: 16 in 2 ms are 8,000 messages per second.
    ``beside_flush``: each lane while a large flush is under way, which takes many turns: 8 units make a slice of 0.8
    ms a fifth longer. ``connection``: a client that connects and joins a room needs 11, and should not wait.
    """

    calm: int = 32
    newcomers: int = 16
    busy: int = 16
    beside_flush: int = 8
    connection: int = 16


class _Lane(Generic[Owner]):
    """Connections that share a budget. ``left``: units until it is filled again; negative if it was exceeded."""

    __slots__ = ("budget", "left", "waiting")

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.left = budget
        # In the order in which they are served. Not a dict, which would look for its first entry past all that were
        # deleted before.
        self.waiting: OrderedDict[Owner, None] = OrderedDict()

    def fill(self, units: int) -> None:
        self.left = min(self.left, 0) + units

    def serve(self, connections: int) -> Iterator[ServeInput[Owner]]:
        for _ in range(connections):
            if self.left <= 0 or not self.waiting:
                return
            owner, _ = self.waiting.popitem(last=False)
            yield ServeInput(owner)


class InputScheduler(Generic[Owner]):
    """The input of all connections. The shell asks `may_serve` before each frame, and reports by `spend` and `wait`."""

    def __init__(self, budget: InputBudget) -> None:
        self._budget = budget
        self._calm: _Lane[Owner] = _Lane(budget.calm)
        self._newcomers: _Lane[Owner] = _Lane(budget.newcomers)
        self._busy: _Lane[Owner] = _Lane(budget.busy)
        self._lanes = (self._calm, self._newcomers, self._busy)
        self._slow: OrderedDict[Owner, None] = OrderedDict()
        self._held: dict[Owner, bool] = {}  # whether it has input that waits
        self._spent: dict[Owner, int] = {}  # since the last turn
        self._recent: dict[Owner, int] = {}  # lately, see `DECAY_MS`
        self._new: set[Owner] = set()
        self._new_before: set[Owner] = set()
        self._decayed_ms = LoopMs(0)

    @property
    def has_waiting(self) -> bool:
        """Whether a connection waits for its turn."""
        return bool(self._calm.waiting or self._newcomers.waiting)

    @property
    def wants_step(self) -> bool:
        """Whether a connection waits for a step."""
        return bool(self._busy.waiting or self._slow)

    @property
    def overspent(self) -> int:
        """Units beyond the budget, in the lane that exceeded it most. Its next turns lack them."""
        return max(0, *(-lane.left for lane in self._lanes))

    def accepted(self, owner: Owner) -> None:
        """A connection is there."""
        self._new.add(owner)

    def may_serve(self, owner: Owner) -> bool:
        """Whether another frame of a connection may be served now."""
        if owner in self._held:
            return False
        return self._lane(owner).left > 0 and self._spent.get(owner, 0) < self._budget.connection

    def spend(self, owner: Owner, units: int) -> None:
        """Work was done for a connection's input."""
        self._lane(owner).left -= units
        self._spent[owner] = self._spent.get(owner, 0) + units
        self._recent[owner] = self._recent.get(owner, 0) + units

    def wait(self, owner: Owner) -> None:
        """A connection has input left, which goes on when its turn comes: `ServeInput`."""
        if owner in self._held:
            self._held[owner] = True
        else:
            self._lane(owner).waiting[owner] = None

    def wait_for_rest(self, owner: Owner) -> None:
        """A connection's request comes in pieces: it is read from again when its turn comes, in a step."""
        self._slow[owner] = None

    def hold(self, owner: Owner) -> None:
        """Serve nothing more of a connection until `release`: the core has yet to answer what came before."""
        self._held.setdefault(owner, False)

    def release(self, owner: Owner) -> None:
        """Serve a connection's input again. Calling this for one that is not held does nothing."""
        if self._held.pop(owner, False):
            self.wait(owner)

    def lost(self, owner: Owner) -> None:
        """A connection is gone."""
        for lane in self._lanes:
            lane.waiting.pop(owner, None)
        self._slow.pop(owner, None)
        self._held.pop(owner, None)
        self._new.discard(owner)
        self._new_before.discard(owner)
        self._spent.pop(owner, None)
        self._recent.pop(owner, None)

    def take_turn(self, *, beside_flush: bool) -> Iterable[ServeInput[Owner]]:
        """A turn begins: serve those that wait, the first of each lane first, as far as the lane's budget goes."""
        self._spent.clear()
        for lane in (self._calm, self._newcomers):
            lane.fill(self._budget.beside_flush if beside_flush else lane.budget)
        return self._serve(self._calm, self._newcomers) if self.has_waiting else ()

    def take_step(self, *, beside_flush: bool) -> Iterator[ServeInput[Owner]]:
        """`STEP_MS` have passed: serve floods, and read on from slow requests. Call this while it `wants_step`."""
        self._spent.clear()
        self._busy.fill(self._budget.beside_flush if beside_flush else self._budget.busy)
        yield from self._serve(self._busy)
        for _ in range(min(len(self._slow), SLOW_READS_PER_STEP)):
            owner, _ = self._slow.popitem(last=False)
            yield ServeInput(owner)

    def _serve(self, *lanes: _Lane[Owner]) -> Iterator[ServeInput[Owner]]:
        # Each is served once: those that wait again meanwhile, in whichever lane, have had their share.
        for lane, connections in [(lane, len(lane.waiting)) for lane in lanes]:
            yield from lane.serve(connections)

    def tick(self, now_ms: LoopMs) -> None:
        """Let work count for less the longer ago it was. Call this periodically."""
        if now_ms - self._decayed_ms >= DECAY_MS:
            self._decayed_ms = now_ms
            self._recent = {owner: units // 2 for owner, units in self._recent.items() if units > 1}
            self._new_before, self._new = self._new, set()

    def _lane(self, owner: Owner) -> _Lane[Owner]:
        if self._recent.get(owner, 0) > CALM_UNITS:
            return self._busy
        return self._newcomers if owner in self._new or owner in self._new_before else self._calm
