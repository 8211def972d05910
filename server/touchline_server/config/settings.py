"""The settings of a server: every limit and address that an operator may set, with its unit and its reason.

`load_settings` takes them from, the stronger first: flags of the command line, environment variables
(``TOUCHLINE_PORT=8080``, and ``TOUCHLINE_KAFKA__CA_FILE`` for the tables), the TOML file, the defaults below.

Rules: an option that does not exist is an error in all of them. Whatever is wrong is told in one line that says where
it was written. ``Settings(...)`` itself looks at nothing but what it is given. Knows nothing of what settings are for.
"""

import socket
from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from touchline_protocol.rooms import is_feed_name

from .tables import (
    ActionsSettings,
    AuthSettings,
    FeedSettings,
    KafkaSettings,
    SqliteSettings,
    VerdictsSettings,
    mistake,
)
from .values import API_KEY, BYTES_MAX, COUNT_MAX, ORIGIN, Seconds, Strings, Wait
from .variables import ENV_PREFIX

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def data_folder() -> Path:
    """The user's folder for our data. It alone is made where it is missing: other folders are named on purpose."""
    return user_data_path("touchline")


def default_log_url() -> str:
    """The embedded log in the user's data folder: what is served when no log is named."""
    return f"sqlite://{data_folder() / 'touchline.db'}"


class Settings(BaseSettings):
    """All settings of ``touchline serve``."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__")

    log: str = Field(default_factory=default_log_url)
    """``kafka://host:port,…``, ``sqlite:///absolute/path`` or ``sqlite://`` (memory)."""
    feeds: dict[str, FeedSettings] = {
        "match": FeedSettings(topic="match-events"),
        "score": FeedSettings(topic="score-events"),
    }
    kafka: KafkaSettings = KafkaSettings()
    sqlite: SqliteSettings = SqliteSettings()
    auth: AuthSettings = AuthSettings()
    actions: ActionsSettings = ActionsSettings()
    verdicts: VerdictsSettings = VerdictsSettings()

    edge_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=64)
    """The name of this edge, in its welcomes and logs."""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """Of the WebSocket; 0 takes a free one."""
    origins: Strings = []
    """Pages that may connect beside those of the same host: ``https://example.org``, or ``*`` for all."""

    control_host: str = "127.0.0.1"
    control_port: int = Field(default=8081, ge=0, le=65535)
    api_keys: Strings = []
    """Keys for publishing over HTTP. Without any, whoever reaches the control port may publish."""
    publish_without_key: bool = False
    """Allow publishing without a key also where the control port listens beyond this machine."""

    connections_max: int = Field(default=50_000, ge=1, le=COUNT_MAX)
    """Of this edge. A connection takes some 4 KiB here and a file descriptor."""
    rooms_max: int = Field(default=100, ge=1, le=COUNT_MAX)
    """Rooms of a connection: each is an entry in a room's list, and is walked when the client falls behind."""
    message_bytes_max: int = Field(default=64 * 1024, ge=1024, le=1 << 20)
    """Of a message from a client; see `touchline_protocol.limits`."""
    handshake_timeout_s: Wait = Field(default=5.0, ge=0.1)
    """From the accepted connection to its hello: so long a stranger may hold a file descriptor for nothing."""
    heartbeat_s: Wait = Field(default=25.0, ge=0.1)
    """At the latest so often every client hears something: below the 30 s after which many proxies cut idle ones."""
    client_errors_max: int = Field(default=100, ge=1, le=COUNT_MAX)
    """Errors that a connection may be answered with; then it is closed as broken."""
    lag_s_max: Seconds = 60.0
    """A client that is behind for so long, or takes nothing, is closed; it can come back and resume."""
    compression: bool = False
    """Offer permessage-deflate: an event of a match takes 40 % fewer bytes, and 40 us once for all who asked for it."""
    drain_s: Wait = 2.0
    """On SIGTERM clients are told to come back spread over this time, then the edge stops."""

    window_s: Seconds = 600.0
    """How far back an edge reads at start and keeps events in memory: most reconnects are within minutes."""
    window_bytes_max: int = Field(default=256 << 20, ge=1 << 16, le=BYTES_MAX)
    """Of all windows of this edge together, values and frames."""
    state_bytes_max: int = Field(default=1 << 20, ge=1 << 12, le=BYTES_MAX)
    """Of a room's state: it travels in one message. Events that do not fit are delivered, but not kept as state."""
    room_idle_s: Seconds = 24 * 3600.0
    """A room without clients and without events for so long is forgotten, its state too: a match that is long over."""
    replay_records_max: int = Field(default=50_000, ge=1, le=COUNT_MAX)
    """Records read from the log for one catch-up; a client further behind starts over from the state."""
    replay_concurrency: int = Field(default=4, ge=1, le=COUNT_MAX)
    """Catch-ups that read the log at once; the others wait. Each costs a fetch and its decoding on this edge's core."""
    flush_slice_clients: int = Field(default=128, ge=1, le=COUNT_MAX)
    """Writes of a large flush between two turns of the loop, at most: 128 of about 6 us are 0.8 ms. While others need
    the loop it is 16."""

    @field_validator("feeds")
    @classmethod
    def _feed_names(cls, feeds: dict[str, FeedSettings]) -> dict[str, FeedSettings]:
        for name in feeds:
            if not is_feed_name(name):
                raise ValueError(f"{name!r} cannot name a feed: a lower-case letter, then letters, digits, _ and -")
        if not feeds:
            raise ValueError('at least one feed is needed, as [feeds.match] with topic = "match-events"')
        topics = [feed.topic for feed in feeds.values()]
        if len(set(topics)) != len(topics):
            raise ValueError("two feeds cannot have one topic")
        return feeds

    @field_validator("origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: write https://example.org, without a path, or * for all")
        return origins

    @field_validator("api_keys")
    @classmethod
    def _keys_that_can_be_sent(cls, api_keys: list[str]) -> list[str]:
        if not all(API_KEY.fullmatch(key) for key in api_keys):
            raise ValueError("a key is empty or has a space in it: write keys without spaces")
        return api_keys

    @model_validator(mode="after")
    def _open_on_purpose(self) -> "Settings":
        if not self.api_keys and not self.publish_without_key and self.control_host not in LOOPBACK_HOSTS:
            raise mistake(
                "control_host",
                f"{self.control_host} is reached from elsewhere and api_keys is empty, so anybody could publish: "
                "set api_keys, or publish_without_key = true if that is meant",
            )
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> "Settings":
        """Actions in a feed's topic would be its rooms' events, and verdicts compact away what is not theirs."""
        taken = {feed.topic: f"feeds.{name}" for name, feed in self.feeds.items()}
        for name, topic in (("actions", self.actions.topic), ("verdicts", self.verdicts.topic)):
            if topic in taken:
                raise mistake(f"{name}.topic", f"{topic} is the topic of {taken[topic]} already: each needs its own")
            taken[topic] = name
        return self

    @property
    def publish_needs_key(self) -> bool:
        """Whether a request to publish must carry one of ``api_keys``."""
        return bool(self.api_keys)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
