"""What a run consists of: the feeds, one per kind of damage, their rooms, and who watches and acts in them.

Pure. Every event has a number that no other event of the run has. It is also the timestamp of its Kafka record, so that
an event without data, which removes a key, can be recognised too.
"""

from collections.abc import Mapping
from typing import NamedTuple

SECRET = "a secret of the cluster run, longer than thirty-two bytes"
ACTIONS_TOPIC = "player-actions"
ACTIONS_PARTITIONS = 3
VERDICTS_TOPIC = "cheat-verdicts"
ARENA = "steady:arena"
"""The room in which players act. Nobody publishes to it."""

FINAL_KEY = "final"
"""The key of the last event of each room. A client that has it has everything."""

KEYS = ("home", "away", "clock", "period", "referee")


class Feed(NamedTuple):
    """A feed and its topic.

    ``lossy``: acknowledged events may be lost, because leaders are elected uncleanly. ``restarts``: something happens
    to the topic after which its rooms may have to start over. ``copies`` is the number of replicas.
    """

    name: str
    partitions: int
    copies: int = 3
    lossy: bool = False
    restarts: bool = False
    configs: Mapping[str, str] = {}

    @property
    def topic(self) -> str:
        return f"{self.name}-events"


STEADY = Feed("steady", 3)
TRIMMED = Feed("trimmed", 2, restarts=True)
RECREATED = Feed("recreated", 2, restarts=True)
GROWN = Feed("grown", 1, restarts=True)
FRAIL = Feed(
    "frail",
    1,
    copies=2,
    lossy=True,
    restarts=True,
    configs={"unclean.leader.election.enable": "true", "min.insync.replicas": "1"},
)
FEEDS = (STEADY, TRIMMED, RECREATED, GROWN, FRAIL)
ROOMS_PER_FEED = 4


class Size(NamedTuple):
    """How many there are of each."""

    watchers: int
    players: int
    events_hz: float
    """Events per second of all feeds together."""
    actions_hz: float
    """Actions per second of one player."""


FULL = Size(watchers=60, players=20, events_hz=40.0, actions_hz=1.0)
SHORT = Size(watchers=20, players=4, events_hz=40.0, actions_hz=2.0)


def rooms_of(feed: Feed) -> list[str]:
    """The names of a feed's rooms."""
    return [f"{feed.name}:{number}" for number in range(ROOMS_PER_FEED)]


def feed_of(room: str) -> Feed:
    """The feed of a room."""
    name = room.partition(":")[0]
    return next(feed for feed in FEEDS if feed.name == name)


ROOMS = [room for feed in FEEDS for room in rooms_of(feed)]
