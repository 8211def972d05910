"""Whose input is served next, and how much of it: no client's messages may keep an edge from all others.

Between two turns an edge does a bounded amount of work for what clients send. A connection that still has input when
its share or the turn's budget is used up waits, unread, and is served in a later turn. Those that wait take turns.

Work is counted in units of roughly 20 us: a frame is one, whatever its kind (a ping, a fragment), and so is each KiB,
each room that a message asks for or leaves, and each refusal. A hundred rooms fit into one message, so to count
messages and bytes alone would not bound the work.

Rules:

1. A frame is served whole, and its work is known afterwards, so a budget can be exceeded by one frame. The excess is
   taken off the budgets of the next turns.
2. Those that wait are served in the order in which they began to: whatever the others send, a connection waits for no
   more turns than a share and a frame of each of them can fill.
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

OPENING_WORK = 8
"""Units of an opening request: parsing and answering it, and a new client, take about 200 us."""

TOKEN_WORK = 8
"""Units of a token that is checked: an ES256 signature takes about 150 us."""


class InputBudget(NamedTuple):
    """Units of work between two turns: of all connections together, and of one.

    ``turn``: 32 take about 0.6 ms, as long as a slice of a large flush, so input delays an event no more than another
    room does. ``beside_flush``: the same while a large flush is under way, which takes many turns: 8 units make a slice
    of 0.8 ms a fifth longer. ``connection``: a client that connects and joins a room needs 11, and should not wait.
    """

    turn: int = 32
    beside_flush: int = 8
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

    def take_turn(self, *, beside_flush: bool) -> Iterator[ServeInput[Owner]]:
        """A turn begins: serve those that wait, the first first, as far as its budget goes."""
        self._left = min(self._left, 0) + (self._budget.beside_flush if beside_flush else self._budget.turn)
        self._spent.clear()
        # Each is served once: those that wait again during this turn have had their share of it.
        for _ in range(len(self._waiting)):
            if self._left <= 0:
                return
            owner, _ = self._waiting.popitem(last=False)
            yield ServeInput(owner)
