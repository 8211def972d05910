"""The options that several commands share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from touchline_cheatwatch.ruleset import FeedOptions
from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_feed_name

VERDICTS_TOPIC = "cheat-verdicts"

LogOption: TypeAlias = Annotated[
    str, typer.Option("--log", metavar="URL", help="Where Kafka is: kafka://host:port,host:port")
]
RulesOption: TypeAlias = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="The rule set, a TOML file; else the built-in one.")
]
VerdictsTopicOption: TypeAlias = Annotated[
    str, typer.Option("--verdicts-topic", metavar="TOPIC", help="Where verdicts are written.")
]


def parse_feeds(text: str) -> Mapping[str, FeedOptions]:
    """The feeds of ``match=match-events,score=score-events``.

    Raises:
        OperatorError: it does not read so.
    """
    feeds = {}
    for part in text.split(","):
        name, _, topic = part.strip().partition("=")
        if not is_feed_name(name) or not topic:
            raise OperatorError(f"--feeds: {part!r} is no feed: write match=match-events,score=score-events")
        feeds[name] = FeedOptions(topic=topic)
    return feeds
