"""The settings of a server: every limit and address that an operator can set, with its unit and its reason.

Times are in seconds (``_s``) and may have a fraction. Sizes are in bytes. A name that ends in ``_max`` is a limit.

Rules: ``Settings(...)`` uses only its arguments and the defaults below; `loading` adds the other sources. An unknown
option is an error. Nothing here knows what the settings are used for.
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

from touchline_protocol.limits import ROOMS_PER_SUBSCRIBE_MAX
from touchline_protocol.loopback import is_loopback
from touchline_protocol.rooms import is_feed_name
from touchline_server.web.origins import Origins
from touchline_server.web.policy import Hosts

from .drain import DRAIN_GRACE_S_MAX, DrainTime, stop_time_s
from .keeper import KeeperSettings
from .listener.admission import AdmissionSettings
from .listener.tls import TlsSettings
from .players import PlayersSettings
from .presence import PresenceSettings
from .redis import RedisSettings
from .tables import (
    ActionsSettings,
    AuthSettings,
    FeedSettings,
    KafkaSettings,
    LoggingSettings,
    RatesSettings,
    SqliteSettings,
    VerdictsSettings,
    option_error,
)
from .values import API_KEY, BYTES_MAX, COUNT_MAX, Seconds, Strings, Wait
from .variables import ENV_PREFIX
from .workers import Workers, is_embedded


def data_folder() -> Path | None:
    """The user's folder for our data. Only this folder is created if it is missing: any other was named on purpose.

    None for a user without a home, such as the number of a container's user that no line of /etc/passwd has.
    """
    try:
        return user_data_path("touchline")
    except RuntimeError:
        return None


def default_log_url() -> str:
    """The embedded log in the user's data folder, which is served if no log is given; empty without such a folder."""
    folder = data_folder()
    return "" if folder is None else f"sqlite://{folder / 'touchline.db'}"


class Settings(BaseSettings):
    """All settings of ``touchline serve``."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    log: str = Field(default_factory=default_log_url)
    """``kafka://host:port,…``, ``sqlite:///absolute/path`` or ``sqlite://`` (memory)."""
    feeds: dict[str, FeedSettings] = {
        "match": FeedSettings(topic="match-events"),
        "score": FeedSettings(topic="score-events"),
    }
    kafka: KafkaSettings = KafkaSettings()
    sqlite: SqliteSettings = SqliteSettings()
    redis: RedisSettings = RedisSettings()
    keeper: KeeperSettings = KeeperSettings()
    auth: AuthSettings = AuthSettings()
    players: PlayersSettings = PlayersSettings()
    rates: RatesSettings = RatesSettings()
    admission: AdmissionSettings = AdmissionSettings()
    tls: TlsSettings = TlsSettings()
    actions: ActionsSettings = ActionsSettings()
    verdicts: VerdictsSettings = VerdictsSettings()
    presence: PresenceSettings = PresenceSettings()
    logging: LoggingSettings = LoggingSettings()

    edge_name: str = Field(
        default_factory=socket.gethostname, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$"
    )
    """The name of this edge in its welcomes and in records of actions. Without control characters: lists of names in
    Redis are separated by line feeds."""
    workers: Workers = 1
    """Processes that serve the clients of this edge, on one port; ``auto`` is one per CPU. Each reads all feeds and has
    windows and limits of its own. More than one needs Kafka: an embedded log belongs to one process."""
    worker_hang_s: Wait = Field(default=10.0, ge=2.0)
    """A worker whose event loop stands still for this long is killed and replaced, and is not ready after half of it.
    Its longest turn is a few milliseconds, but a machine that is overloaded can hold it up for seconds."""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """The WebSocket's port; 0 picks a free one."""
    origins: Strings = []
    """Pages that may connect besides those of the same host: ``https://example.org``, ``https://*.example.org``,
    ``http://localhost:*``, ``moz-extension://*``, or ``*`` for all."""
    hosts: Strings = []
    """Names by which pages without TLS, and programs that only read, may reach this server, besides addresses and names
    that cannot be an attacker's (`touchline_server.web.policy`): ``example.org``, ``*.example.org``, ``*`` for all."""

    control_host: str = "127.0.0.1"
    control_port: int = Field(default=8081, ge=0, le=65535)
    api_keys: Strings = Field(default=[], repr=False)
    """Keys for publishing over HTTP. Without any, everybody who reaches the control port may publish."""
    metrics_keys: Strings = Field(default=[], repr=False)
    """Keys that may read ``/metrics``, and nothing else: for scrapers. So may ``api_keys``. Without any of the two,
    everybody who reaches the control port may read them."""
    publish_without_key: bool = False
    """Allow publishing without a key even if the control port can be reached from other machines."""

    connections_max: int = Field(default=50_000, ge=1, le=COUNT_MAX)
    """Connections of this edge. Each takes about 4 KiB and an open file. Lowered, with a warning, to what the limit of
    open files leaves room for."""
    rooms_max: int = Field(default=100, ge=1, le=COUNT_MAX)
    """Rooms per connection. Each is an entry in the room's list, and is visited when the client falls behind."""
    message_bytes_max: int = Field(default=64 * 1024, ge=1024, le=1 << 20)
    """Bytes of a message from a client. See `touchline_protocol.limits`."""
    handshake_timeout_s: Wait = Field(default=5.0, ge=0.1)
    """Time from the accepted connection to its hello: an unknown client holds a file descriptor for this and
    `touchline_server.core.liveness.LINGER_MS`, the time that it has to answer the close."""
    heartbeat_s: Wait = Field(default=25.0, ge=0.1)
    """Every client hears something at least this often: less than the 30 s after which many proxies cut idle links."""
    lag_s_max: Wait = Field(default=60.0, gt=0)
    """A client that stays behind for this long, or reads nothing, is closed. It can reconnect and resume."""
    compression: bool = False
    """Offer permessage-deflate: a match event takes 40 % fewer bytes, and 40 us of work once for all who use it."""
    drain_s: DrainTime = "auto"
    """On SIGTERM clients are asked to reconnect, spread over this time; then the edge stops. ``auto``: a second for
    every 3,000 connections, which is what one other edge lets in, but from 2 to 17 s."""
    drain_grace_s: Wait = Field(default=0.0, le=DRAIN_GRACE_S_MAX)
    """How long an edge goes on as usual after SIGTERM, except that ``/readyz`` is 503: as long as the load balancer
    needs to notice. 0 suits proxies that try another edge when a connection is refused."""

    window_s: Seconds = 600.0
    """How far back an edge reads at start, and keeps events in memory: most clients reconnect within minutes."""
    window_bytes_max: int = Field(default=256 << 20, ge=1 << 16, le=BYTES_MAX)
    """Bytes of all windows of this edge together, values and frames."""
    state_bytes_max: int = Field(default=1 << 20, ge=1 << 12, le=BYTES_MAX)
    """Bytes of a room's state, which travels in one message, in the encoding that takes the most: escapes and names
    count. Events beyond it are delivered but not kept as state."""
    state_s: Seconds = 24 * 3600.0
    """How far back a log in Kafka is read for the state of rooms alone: longer than a match, and its day, last. Events
    older than ``window_s`` cost no memory, unless they are the newest of their key."""
    state_records_max: int = Field(default=5_000_000, ge=0, le=COUNT_MAX)
    """Records of a topic that are read back for state: see docs/performance.md for how long these take."""
    state_start_s_max: Wait = 30.0
    """How long reading back may keep an edge from its first client. If anything is missing then, clients are told."""
    room_idle_s: Seconds = 24 * 3600.0
    """A room is forgotten, state included, after this time without clients and events: the match is long over."""
    replay_records_max: int = Field(default=50_000, ge=1, le=COUNT_MAX)
    """Records read from the log for one catch-up. A client further behind starts over from the state."""
    replay_concurrency: int = Field(default=4, ge=1, le=COUNT_MAX)
    """Reads of the log for catch-ups under way, one per connection at most: connections take turns. Each costs a fetch
    and decoding on the edge's core, and serves all clients that miss any of its records."""
    move_margin_s: Wait = 10.0
    """How far before its time a cursor of another Kafka cluster is looked for. It has to exceed the difference between
    producers' clocks, and clients receive this time's events again: NTP keeps clocks within a second, and 10 s of a
    match are some hundred events."""
    flush_slice_clients: int = Field(default=128, ge=1, le=COUNT_MAX)
    """At most this many writes of a large flush per turn of the event loop: 128 writes of about 6 us take 0.8 ms. While
    other work is waiting it is 16."""

    @field_validator("feeds")
    @classmethod
    def _feed_names(cls, feeds: dict[str, FeedSettings]) -> dict[str, FeedSettings]:
        for name in feeds:
            if not is_feed_name(name):
                raise ValueError(f"{name!r} cannot name a feed: use a lower-case letter, then letters, digits, _ and -")
        if not feeds:
            raise ValueError('at least one feed is needed, e.g. [feeds.match] with topic = "match-events"')
        topics = [feed.topic for feed in feeds.values()]
        if len(set(topics)) != len(topics):
            raise ValueError("two feeds cannot share a topic")
        return feeds

    @field_validator("origins")
    @classmethod
    def _origins_that_browsers_send(cls, origins: list[str]) -> list[str]:
        Origins(origins)
        return origins

    @field_validator("hosts")
    @classmethod
    def _host_names(cls, hosts: list[str]) -> list[str]:
        Hosts(hosts)
        return hosts

    @field_validator("api_keys", "metrics_keys")
    @classmethod
    def _keys_fit_in_a_header(cls, keys: list[str]) -> list[str]:
        if not all(API_KEY.fullmatch(key) for key in keys):
            raise ValueError("a key is empty or contains a space")
        return keys

    @model_validator(mode="after")
    def _publishing_is_protected(self) -> "Settings":
        if not self.api_keys and not self.publish_without_key and not is_loopback(self.control_host):
            raise option_error(
                "control_host",
                f"{self.control_host} is open to other machines and api_keys is empty, so anybody could publish: "
                "set api_keys, or publish_without_key = true if that is intended",
            )
        return self

    @model_validator(mode="after")
    def _an_embedded_log_has_one_process(self) -> "Settings":
        if isinstance(self.workers, int) and self.workers > 1 and is_embedded(self.log):
            raise option_error(
                "workers",
                f"{self.workers} workers cannot share {self.log or 'the embedded log'}, which belongs to one process: "
                "set workers = 1, or read from Kafka with log = kafka://host:port",
            )
        return self

    @model_validator(mode="after")
    def _all_rooms_can_be_joined_at_once(self) -> "Settings":
        """A client asks for all of its rooms when it reconnects, in messages of up to a hundred, and may be refused."""
        rooms = max(self.rooms_max, ROOMS_PER_SUBSCRIBE_MAX)
        for name in ("subscribes_burst", "refusals_burst"):
            if getattr(self.rates, name) < rooms:
                text = f"{name} has to be {rooms} or more: a client asks for all of its rooms (rooms_max) at once"
                raise option_error(f"rates.{name}", text)
        return self

    @model_validator(mode="after")
    def _a_log_that_is_away_closes_no_client(self) -> "Settings":
        """While the log is away, a client may send its whole window again each ``retry_s``, to be refused each time."""
        per_second = self.actions.window / self.actions.retry_s
        if self.rates.refusals_per_second_max < per_second:
            raise option_error(
                "rates.refusals_per_second_max",
                f"refusals_per_second_max has to be {per_second:g} or more: while the log is away, a client may send "
                "actions.window actions again each actions.retry_s",
            )
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> "Settings":
        """Actions in a feed's topic would become events, and compaction of verdicts would delete everything else
        there."""
        taken = {feed.topic: f"feeds.{name}" for name, feed in self.feeds.items()}
        for name, topic in self.own_topics.items():
            if topic in taken:
                raise option_error(
                    f"{name}.topic", f"{topic} is already the topic of {taken[topic]}: each needs its own"
                )
            taken[topic] = name
        return self

    @model_validator(mode="after")
    def _one_writer_of_a_rooms_presence(self) -> "Settings":
        if self.presence.records and self.redis.url is None and self.workers != 1:
            text = "several workers can only record presence together: set redis.url, or workers = 1"
            raise option_error("presence.records", text)
        return self

    @property
    def own_topics(self) -> dict[str, str]:
        """The topics besides those of feeds, by the table that names them."""
        topics = {"actions": self.actions.topic, "verdicts": self.verdicts.topic}
        return topics | {"presence": self.presence.topic} if self.presence.records else topics

    @property
    def keeper_group(self) -> str:
        """The consumer group of keepers."""
        return self.keeper.group or f"{self.redis.prefix}-keeper"

    @property
    def stop_s(self) -> float:
        """The longest that a stop takes, in seconds: see `stop_time_s`."""
        return stop_time_s(self.drain_s, self.connections_max, self.drain_grace_s)

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
