"""Decides where and when each client connects, and to which rooms. Pure: all of it follows from the settings."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from random import Random
from typing import NamedTuple

from touchline_loadtest.clients.room_choice import POPULARITY, RoomChoice
from touchline_loadtest.feeds.choice import Destination, FeedChoice
from touchline_loadtest.runs.thresholds import Threshold
from touchline_protocol.errors import OperatorError

from .commands import Client

KICK_OFF_S = 30.0
"""Before a kick-off, everybody connects within this time."""
ROOMS_PER_WITNESS = 20
"""Rooms of a member of the sample that is there so that each room has one: well below what a server allows."""


class Shape(StrEnum):
    """What the clients do."""

    STEADY = "steady"
    KICK_OFF = "kick-off"
    AVALANCHE = "avalanche"


class Publishing(NamedTuple):
    """A feed that the run plays itself, and where to."""

    feed: FeedChoice
    destination: Destination
    speed: float = 1.0


class Edge(NamedTuple):
    """A server's address; ``host`` is an IPv4 address."""

    host: str
    port: int


class Settings(NamedTuple):
    """A run. Of ``clients``, ``sample`` read everything; each is in ``rooms_per_client`` rooms (at least, at most). The
    run fails unless all ``thresholds`` are met. ``servers`` are processes to sample too: their ids by name.
    """

    edges: Sequence[Edge]
    rooms: Sequence[str]
    clients: int = 1000
    sample: int = 50
    processes: int = 1
    seconds: float = 30.0
    shape: Shape = Shape.STEADY
    popularity: float = POPULARITY
    rooms_per_client: tuple[int, int] = (1, 1)
    seed: int = 1
    publishing: Publishing | None = None
    token: str | None = None
    thresholds: Sequence[Threshold] = ()
    servers: Mapping[str, int] = {}


class Plan(NamedTuple):
    """All clients: ``witnesses`` together cover all rooms, and connect first; ``sample`` has the rest of the sample.

    ``counters`` has a list for each process.
    """

    witnesses: Sequence[Client]
    sample: Sequence[Client]
    counters: Sequence[Sequence[Client]]


def sample_size(settings: Settings) -> int:
    """How many clients read everything: as many as the user wants, and enough that each room has one.

    Raises:
        OperatorError: there are too few clients.
    """
    sampled = max(settings.sample, -(-len(settings.rooms) // ROOMS_PER_WITNESS))
    if settings.clients < sampled:
        raise OperatorError(f"--clients is {settings.clients}, but {sampled} have to read everything")
    return sampled


def make_plan(settings: Settings) -> Plan:
    """Divide the clients.

    Raises:
        OperatorError: there are too few clients.
    """
    chance = Random(settings.seed)  # noqa: S311 - nothing here is a secret
    rooms = list(settings.rooms)
    covered = [rooms[begin : begin + ROOMS_PER_WITNESS] for begin in range(0, len(rooms), ROOMS_PER_WITNESS)]
    sampled = sample_size(settings)
    choice = RoomChoice(rooms, settings.popularity)
    clients = []
    for number in range(settings.clients):
        watched = covered[number] if number < len(covered) else choice.choose(_draw(settings, chance), chance)
        host, port = settings.edges[number % len(settings.edges)]
        at_s = chance.uniform(0, KICK_OFF_S) if settings.shape is Shape.KICK_OFF else 0.0
        clients.append(Client(f"client-{number + 1}", host, port, watched, at_s))
    counters = clients[sampled:]
    return Plan(
        witnesses=clients[: len(covered)],
        sample=sorted(clients[len(covered) : sampled], key=lambda client: client.at_s),
        counters=[
            sorted(counters[number :: settings.processes], key=lambda client: client.at_s)
            for number in range(settings.processes)
        ],
    )


def _draw(settings: Settings, chance: Random) -> int:
    return chance.randint(*settings.rooms_per_client)
