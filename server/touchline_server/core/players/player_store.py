"""The player store: what the workers of a fleet share about players. It is the core's port to Redis.

The shell hands it one exchange after the other: what changed on this worker, and whom it wants to let in. One object
belongs to one worker, and never has two exchanges under way at once.

Rules that each implementation keeps:

1. Counts are absolute, so an exchange may arrive twice. A player's connections are counted over all living workers.
2. A session belongs to the worker that claimed it last. Each claim gets a higher number than all before it, so of
   several claims at the same moment exactly one is the highest. Clocks decide nothing.
3. The worker that loses a session finds it in `Answer.lost` of its next exchange that is ``everywhere``. It keeps
   nothing by asking again: a session is held only under its newest number.
4. An exchange that raises may have arrived or not, and answers may be gone with it. The worker then presents all that
   it has again, and so it does when the store does not know it any more (`Answer.is_known`).
5. A worker without an exchange that is ``everywhere`` for 10 s is dead: its connections count no more.

Example: worker a holds session s of ann under 7. Ann's phone comes to worker b, which claims s: it is held under 8, and
what a had last confirmed is 41. Worker a is told that it has lost s to 8, and closes its connection.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Arrival(NamedTuple):
    """A client that wants in. ``connections`` is how many its player then has on this worker, this one included.

    ``session`` is what it will act in; None for a client that cannot act.
    """

    player: str
    connections: int
    session: str | None


class Admission(NamedTuple):
    """The answer to an arrival. ``number`` is what the session is held under, 0 without a session.

    ``last_action`` is the highest id of the session that is known to be in the log. ``until_full_ms`` is how long the
    player's bucket takes to be full again, in milliseconds.
    """

    is_refused: bool
    number: int = 0
    last_action: int = 0
    until_full_ms: int = 0


class Holding(NamedTuple):
    """A session of this worker, the number that it is held under, and the highest id that is known to be in the log.

    0 claims the session: it was entered while the store was away.
    """

    player: str
    session: str
    number: int
    last_action: int


class Loss(NamedTuple):
    """A session that another worker has claimed, under ``number``."""

    player: str
    session: str
    number: int


class Limits(NamedTuple):
    """What one player may do: its connections, and one action per ``interval_ms`` in the long run."""

    connections_max: int
    interval_ms: float


class Exchange(NamedTuple):
    """What changed on this worker since the last exchange.

    ``connections`` are players' connections here, 0 if there are none any more. ``released`` are sessions whose client
    has left, ``held`` those that go on. ``actions`` is how many each player has taken. ``everywhere``: also give a sign
    of life, and ask for losses.
    """

    limits: Limits
    arrivals: Sequence[Arrival] = ()
    connections: Mapping[str, int] = {}
    released: Sequence[Holding] = ()
    held: Sequence[Holding] = ()
    actions: Mapping[str, int] = {}
    everywhere: bool = False


class Answer(NamedTuple):
    """The answer to an exchange. ``admissions`` and ``held`` are in the order of what was asked.

    ``held`` has the number that each session is held under, 0 if it is lost. ``until_full_ms`` is for the players in
    ``actions``. ``is_known``: the store still had what this worker presented before.
    """

    is_known: bool
    admissions: Sequence[Admission]
    held: Sequence[int]
    until_full_ms: Mapping[str, int]
    lost: Sequence[Loss]


class PlayerStore(Protocol):
    """What the workers of a fleet know about each other's players."""

    async def exchange(self, exchange: Exchange) -> Answer:
        """Report what changed, and learn about the fleet.

        Raises:
            StoreUnavailable: the store did not answer in time.
            StoreRefused: the store refuses until an operator has changed something.
        """

    async def close(self) -> None:
        """This worker ends: its connections count no more. Does not raise if the store is away."""
