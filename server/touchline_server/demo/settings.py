"""What the demo changes in the settings: rooms of its own, and a secret to sign its visitors' tokens with."""

import secrets
from pathlib import Path

from touchline_server.config import Settings
from touchline_server.config_tables import SECRET_BYTES_MIN, FeedSettings

CHEER = "cheer"
"""The feed that the game is played in: ``cheer:<match>``."""

TAP = "tap"
WAVE = "wave"
"""The kinds of actions, and `WAVE` is also the key of the event that asks for one."""

PANEL = "cheatwatch"
PANEL_ROOM = f"{PANEL}:demo"
"""The room that tells of the detection of cheats."""

ROOMS = [f"{feed}:*" for feed in ("match", "score", CHEER, PANEL)]
"""What a visitor may watch, where the configuration asks for a token for that."""
ACT_ROOMS = [f"{CHEER}:*"]

SCHEMAS = Path(__file__).parent / "schemas"


def demo_settings(settings: Settings) -> Settings:
    """``settings`` with the demo's feeds, and with a secret that ends with the process where none was set."""
    schemas = {kind: SCHEMAS / f"{kind}.json" for kind in (TAP, WAVE)}
    feeds = {
        CHEER: FeedSettings(topic="cheer-events", action_schemas=schemas),
        PANEL: FeedSettings(topic="cheatwatch-events"),
    }
    auth = settings.auth
    if auth.secret is None:
        auth = auth.model_copy(update={"secret": secrets.token_urlsafe(SECRET_BYTES_MIN)})
    return settings.model_copy(update={"feeds": settings.feeds | feeds, "auth": auth})
