"""The presence port: what a worker reports of its rooms, and what it learns about the same rooms on all workers.

The shell (`node.presence`) makes one exchange per interval. A store object belongs to one worker, and never has two
exchanges under way at once.

Rules that each implementation keeps:

1. Numbers are absolute, so a report may arrive twice. A report that ``is_whole`` replaces all that the worker has
   reported before: rooms and players that it does not name are at zero. Any other report replaces only what it names.
2. An answer includes the report that it answers, and the newest reports of all other living workers. Between two
   answers only changes are named. A room that was not watched (or listed) in the report before is always named, and in
   the answer to a whole report all of them are.
3. An exchange that raises may have arrived or not. The next report is whole.
4. A store that has lost what this worker had reported (Redis was emptied) raises `StoreUnavailable`, so that the next
   report is whole. Until each living worker has reported again, answers are not ``complete``.
5. Reports count until their worker is dead, 10 to 15 s after its last exchange.
   A worker that ends in an orderly way first reports its last numbers. These still name the players who were just
   sent to other workers, so that nobody sees them leave and come back.
6. A report may name what has not changed: each names a part of it (`verification`). A store has no other way to learn
   that it lost something, or has something wrong, of this worker. A store that others can write to also removes what no
   worker that it knows has reported.

Example: ann was on this worker alone, and the other workers have 55 viewers. The report ``viewers={"match:1": 40},
players={InRoom("match:1", "ann"): 0}``, with the room ``watched`` and ``listed``, is answered by ``viewers={"match:1":
95}, members={"match:1": MemberChanges(joined=frozenset(), left=frozenset({"ann"}))}``.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias


class InRoom(NamedTuple):
    """A player in a room."""

    room: str
    player: str


class Report(NamedTuple):
    """What a worker has, as far as it changed since the last report that arrived, and perhaps more; or all of it, if
    ``is_whole``.

    ``viewers`` is how many connections are in a room on this worker now, 0 if none is any more. ``players`` is how many
    of a player's connections are in a room on this worker; 0 means that the player has left. ``watched`` are all rooms
    whose total somebody on this worker wants to know, and ``listed`` those whose members somebody wants to know. Both
    are complete each time. They are the same objects as in the report before if nothing has changed in them.
    """

    is_whole: bool
    viewers: Mapping[str, int]
    players: Mapping[InRoom, int]
    watched: AbstractSet[str]
    listed: AbstractSet[str]


NOTHING: Final = Report(True, {}, {}, frozenset(), frozenset())
"""The whole report of a worker that has nobody."""


class MemberChanges(NamedTuple):
    """The players who came into a room since the answer before, and those who left it. No player is in both."""

    joined: frozenset[str]
    left: frozenset[str]


class TooMany(Enum):
    """See `TOO_MANY`."""

    TOO_MANY = auto()


TOO_MANY: Final = TooMany.TOO_MANY
"""The room has more players than ``members_max``. It is named once. Once there are fewer, a full list follows."""

Members: TypeAlias = frozenset[str] | MemberChanges | Literal[TooMany.TOO_MANY]
"""What is said about a room's members: the full list, the changes, or that there are too many to list."""


class Answer(NamedTuple):
    """What is known of the fleet: totals of watched rooms, and members of listed ones, as far as they changed.

    Unless ``complete``, some workers may be missing from it, so totals are lower bounds.
    """

    viewers: Mapping[str, int]
    members: Mapping[str, Members]
    complete: bool = True


class Totals(NamedTuple):
    """How many connections are in each of the rooms that were asked for, over all living workers. See `Answer`."""

    viewers: Mapping[str, int]
    complete: bool = True


class PresenceStore(Protocol):
    """What the workers of a fleet know about each other's rooms. One object belongs to one worker."""

    async def exchange(self, report: Report) -> Answer:
        """Report this worker's rooms, and learn about the fleet's.

        Raises:
            StoreUnavailable: the store did not answer in time, or has lost what was reported.
            StoreRefused: the store refuses until an operator has changed something.
        """

    async def viewers(self, rooms: Collection[str]) -> Totals:
        """The totals of rooms, watched or not, for the control plane. Each room that was asked for is named.

        Raises:
            StoreUnavailable: the store did not answer in time.
            StoreRefused: the store refuses until an operator has changed something.
        """
