"""What the demo changes in the settings: rooms of its own, and a secret to sign visitors' tokens with."""

import secrets
from collections.abc import Collection
from itertools import chain, count
from pathlib import Path

from touchline_server.config.settings import Settings
from touchline_server.config.tables import SECRET_BYTES_MIN, FeedSettings

from .matches.stats import STATS
from .matches.timeline import MATCH, SCORE

CHEER = "cheer"
"""The feed that the game is played in: ``cheer:<match>``."""

TAP = "tap"
WAVE = "wave"
"""The kinds of actions. `WAVE` is also the key of the event that starts a wave."""

PANEL = "cheatwatch"
PANEL_ROOM = f"{PANEL}:demo"
"""The room that shows cheat detection."""

ROOMS = [f"{feed}:*" for feed in (MATCH, SCORE, STATS, CHEER, PANEL)]
"""What a visitor may watch, if the configuration asks for a token."""
ACT_ROOMS = [f"{CHEER}:*"]

SCHEMAS = Path(__file__).parent / "schemas"


def demo_settings(settings: Settings) -> Settings:
    """``settings`` with the demo's feeds, and with a secret for this process alone if none was set.

    The matches use ``match``, ``score`` and ``stats`` as configured. The game and the panel always have feeds of their
    own.
    """
    schemas = {kind: SCHEMAS / f"{kind}.json" for kind in (TAP, WAVE)}
    feeds = {name: feed for name, feed in settings.feeds.items() if name not in (CHEER, PANEL)}
    taken = {settings.actions.topic, settings.verdicts.topic, *(feed.topic for feed in feeds.values())}
    for name in (MATCH, SCORE, STATS, CHEER, PANEL):
        if name not in feeds:
            topic = _free_topic(name, taken)
            taken.add(topic)
            feeds[name] = FeedSettings(topic=topic, action_schemas=schemas if name == CHEER else {})
    auth = settings.auth
    if auth.hs256_secret is None:
        auth = auth.model_copy(update={"hs256_secret": secrets.token_urlsafe(SECRET_BYTES_MIN)})
    return settings.model_copy(update={"feeds": feeds, "auth": auth})


def _free_topic(feed: str, taken: Collection[str]) -> str:
    """A topic for a feed of the demo that the configuration does not use."""
    usual = f"{feed}-events"
    return next(topic for topic in chain([usual], (f"{usual}-{number}" for number in count(2))) if topic not in taken)
