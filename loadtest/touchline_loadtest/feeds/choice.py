"""Which feed to play, and where to: what command lines choose from."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from touchline_demo.matches.statsbomb import read_match
from touchline_loadtest.publish.batches import PublishBatches, http_batches, kafka_batches
from touchline_loadtest.publish.broker import default_topic
from touchline_protocol.errors import OperatorError

from . import evening, tracking
from .moments import Moment
from .profile import load


class FeedName(StrEnum):
    """The feeds."""

    EVENING = "evening"
    TRACKING = "tracking"


class FeedChoice(NamedTuple):
    """A feed, and what it follows from. ``match_files`` are recorded matches to play instead of generated ones."""

    name: FeedName
    matches: int
    seed: int = 1
    match_files: Sequence[Path] = ()

    def rooms(self) -> list[str]:
        """The rooms that it publishes to."""
        return evening.rooms(self.matches) if self.name is FeedName.EVENING else tracking.rooms(self.matches)

    def feeds(self) -> list[str]:
        """The feeds of these rooms."""
        return list(dict.fromkeys(room.partition(":")[0] for room in self.rooms()))

    def moments(self) -> Iterator[Moment]:
        """The feed itself.

        Raises:
            OperatorError: a match cannot be read, or the feed takes no files.
        """
        if self.name is FeedName.TRACKING:
            if self.match_files:
                raise OperatorError("recorded matches have no positions to track: --match goes with evening")
            return tracking.tracking(self.rooms(), self.seed)
        if self.match_files:
            timelines = [read_match(path).timeline for path in self.match_files]
            return evening.replayed(timelines, self.seed, self.matches)
        return evening.evening(load(), self.seed, self.matches)


class Destination(NamedTuple):
    """Where to publish: ``kafka`` is a broker's address, ``url`` that of a server's HTTP API; exactly one of them.

    ``topics`` maps feeds of rooms to their topics; a feed that is not in it has the topic ``<feed>-events``.
    """

    kafka: str | None = None
    url: str | None = None
    api_key: str | None = None
    topics: Mapping[str, str] = {}

    def open(self, feeds: Iterable[str]) -> contextlib.AbstractAsyncContextManager[PublishBatches]:
        """Connect, to publish to rooms of ``feeds``.

        Raises:
            OperatorError: there is not exactly one destination.
        """
        if self.kafka is not None and self.url is None:
            return kafka_batches(self.kafka, {feed: self.topics.get(feed, default_topic(feed)) for feed in feeds})
        if self.url is not None and self.kafka is None:
            return http_batches(self.url, self.api_key)
        raise OperatorError("name one destination: a broker or the URL of a server's HTTP API")


def topics_by_feed(options: Sequence[str]) -> dict[str, str]:
    """Read options of the form ``FEED=TOPIC``.

    Raises:
        OperatorError: one has another form.
    """
    pairs = {}
    for option in options:
        feed, equals, topic = option.partition("=")
        if not (feed and equals and topic):
            raise OperatorError(f"--topic takes FEED=TOPIC, not {option!r}")
        pairs[feed] = topic
    return pairs
