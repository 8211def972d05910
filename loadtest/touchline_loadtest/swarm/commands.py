"""The commands that the run sends to its workers, and their answers: one JSON object a line.

Each command is answered at once, by the answer that its docstring names. `Connect` and `Leave` take time: until they
are done, `Observed.is_busy` is true, and no other command than `Report` is allowed. A client that was lost does not
make a command fail; `Observed` reports it.
"""

import msgspec

from touchline_loadtest.checks.breach import Breach

from .ledger import Ledger

Cursor = tuple[str, int]
"""An epoch and an offset."""


class Client(msgspec.Struct, frozen=True):
    """A client to connect. ``at_s`` is when, counted from the command."""

    name: str
    host: str
    port: int
    rooms: list[str]
    at_s: float = 0.0


class Connect(msgspec.Struct, tag="connect", frozen=True):
    """Connect clients; ``cursors`` has those of rooms to resume. Answer: `Done`. Busy until all
    have joined or were lost."""

    clients: list[Client]
    cursors: dict[str, Cursor]
    token: str | None
    at_once: int
    timeout_s: float


class Cut(msgspec.Struct, tag="cut", frozen=True):
    """Drop all connections at once. Their totals are forgotten. Answer: `Done`."""


class Leave(msgspec.Struct, tag="leave", frozen=True):
    """Read what arrives for ``read_s``, then leave all rooms. Answer: `Done`. Busy until the server has
    confirmed it."""

    read_s: float
    timeout_s: float


class Verify(msgspec.Struct, tag="verify", frozen=True):
    """Compare what each client has received since `Connect` with the ledgers. Answer: `Verdict`. After `Leave`."""

    ledgers: dict[str, Ledger]


class Report(msgspec.Struct, tag="report", frozen=True):
    """Answer: `Observed`, with what has happened since the last `Report`."""


Command = Connect | Cut | Leave | Verify | Report


class Done(msgspec.Struct, tag="done", frozen=True):
    """The command has been carried out, or has begun."""


class Observed(msgspec.Struct, tag="observed", frozen=True):
    """Times in milliseconds, bytes since the last report; ``connections`` is how many clients are in their rooms.

    ``retries``: clients that tried again, because a server closed their connection with ``hello_timeout``.
    """

    connections: int
    size_bytes: int
    connect_ms: list[float]
    first_state_ms: list[float]
    breaches: list[Breach]
    retries: int
    is_busy: bool


class Verdict(msgspec.Struct, tag="verdict"):
    """``exact`` clients match to the byte, ``undecided`` cannot be told, ``wrong`` do not match; ``breaches`` names
    some of those. ``events`` is how many all have received."""

    exact: int
    undecided: int
    events: int
    wrong: int
    breaches: list[Breach]


Answer = Done | Observed | Verdict
