"""Whose input is served next, and how much of it: no client's messages may keep an edge from all others.

Between two turns an edge does a bounded amount of work for what clients send. A connection that still has input when
its share or the turn's budget is used up waits, unread, and is served in a later turn. Those that wait take turns.

Work is counted in units of roughly 10 us: a frame is one, whatever its kind (a ping, a fragment, a message that gets
refused), and so is each KiB, and each room that a message asks for or leaves. A hundred rooms fit into one message, so
to count messages and bytes alone would not bound the work.

Rules:

1. A frame is served whole, and its work is known afterwards: so a share is exceeded by one frame at most, never by a
   second one.
2. Each turn serves at least one connection, the one that has waited longest: whatever the others send, a connection is
   served within as many turns as there are connections waiting.
3. Nothing here is per delivery, and nothing is kept for a connection that neither waits nor was served since the last
   turn.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, NamedTuple

from .effects import Owner, ServeInput

UNIT_BYTES = 1024
"""Bytes of input that count as one unit: decoding and checking a KiB of JSON takes about as long as a small message."""

FRAME_WORK = 1
"""Units of a frame, or of any bytes that arrive."""

OPENING_WORK = 16
"""Units of an opening request: parsing and answering it, and a new client, take about 200 us."""

TOKEN_WORK = 16
"""Units of a token that is checked: an ES256 signature takes about 150 us."""


class InputBudget(NamedTuple):
    """Units of work between two turns: of all connections together, and of one.

    ``turn``: 64 take about 0.6 ms, as long as a slice of a large flush, so input delays a delivery no more than other
    rooms do. ``connection``: a client that joins a room needs 3; four that flood fill a turn.
    """

    turn: int = 64
    connection: int = 16


class InputScheduler(Generic[Owner]):
    """The input of all connections. The shell asks `may_serve` before each frame, and reports by `spend` and `wait`."""

    def __init__(self, budget: InputBudget) -> None:
        self._budget = budget
        self._left = budget.turn
        self._spent: dict[Owner, int] = {}  # since the last turn
        # In the order in which they are served. Not a dict, which would look for its first entry past all that were
        # deleted before.
        self._waiting: OrderedDict[Owner, None] = OrderedDict()

    @property
    def has_waiting(self) -> bool:
        """Whether a connection waits for its turn."""
        return bool(self._waiting)

    def may_serve(self, owner: Owner) -> bool:
        """Whether another frame of a connection may be served now."""
        return self._left > 0 and self._spent.get(owner, 0) < self._budget.connection

    def spend(self, owner: Owner, units: int) -> None:
        """Work was done for a connection's input."""
        self._left -= units
        self._spent[owner] = self._spent.get(owner, 0) + units

    def wait(self, owner: Owner) -> None:
        """A connection has input left, which goes on when its turn comes: `ServeInput`."""
        self._waiting[owner] = None

    def lost(self, owner: Owner) -> None:
        """A connection is gone."""
        self._waiting.pop(owner, None)
        self._spent.pop(owner, None)

    def take_turn(self) -> Iterator[ServeInput[Owner]]:
        """A turn begins: serve those that wait, the first first, as far as its budget goes."""
        self._left = self._budget.turn
        self._spent.clear()
        # Each is served once: those that wait again during this turn have had their share of it.
        for _ in range(len(self._waiting)):
            if self._left <= 0:
                return
            owner, _ = self._waiting.popitem(last=False)
            yield ServeInput(owner)
