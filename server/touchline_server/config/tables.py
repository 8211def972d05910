"""The tables of the settings: ``[feeds.NAME]``, ``[kafka]``, ``[sqlite]``, ``[auth]``, ``[rates]``, ``[actions]``,
``[verdicts]``.

The rules for all settings are in `settings`, which puts the tables together.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from touchline_kafka.security import Security
from touchline_protocol.limits import ACTION_DATA_BYTES_MAX, ACTION_KIND_CHARS_MAX, ACTIONS_WINDOW_MAX
from touchline_protocol.messages import ActionKind
from touchline_protocol.printable import without_credentials
from touchline_protocol.tracing.traceparent import Traceparents

from .values import BYTES_MAX, COUNT_MAX, Paths, Seconds, Topic, Wait

SECRET_BYTES_MIN = 32
"""RFC 7518 section 3.2: a key for HS256 must have at least as many bits as the hash."""


def is_action_kind(kind: str) -> bool:
    """Whether an action can have this kind."""
    try:
        msgspec.convert(kind, ActionKind)
    except msgspec.ValidationError:
        return False
    return True


def option_error(option: str, text: str) -> PydanticCustomError:
    """The error that a validator of a whole table raises. ``option`` is the one that the operator should look at."""
    return PydanticCustomError("option_error", "{text}", {"option": option, "text": without_credentials(text)})


JWKS_SPACING_S = 5.0
"""The shortest time between two reads of a key set, however many tokens name an unknown key."""

OTHER_KINDS = "*"
"""A key of a feed's ``action_schemas``: the schema of every kind that has none of its own."""


class Table(BaseModel):
    """One table of the configuration file. Unknown options are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class FeedSettings(Table):
    """One feed, for example ``[feeds.match]``."""

    topic: Topic
    key_field: str | None = None
    """The top-level field of a value that holds the event's key, if producers do not set the header ``key``."""
    action_schemas: dict[str, Path] = {}
    """JSON Schema files by kind of action; ``*`` is for all other kinds. Without any, all actions are accepted."""
    traceparents: Traceparents = "all"
    """Which records' ``traceparent`` clients receive: all, those of ``sampled`` traces, or none."""

    @field_validator("action_schemas")
    @classmethod
    def _kinds_that_actions_have(cls, action_schemas: dict[str, Path]) -> dict[str, Path]:
        for kind in action_schemas:
            if kind != OTHER_KINDS and not is_action_kind(kind):
                form = f"1 to {ACTION_KIND_CHARS_MAX} letters, digits, _, . and -, or {OTHER_KINDS} for all others"
                raise ValueError(f"no action can have the kind {kind!r:.80}: {form}")
        return action_schemas


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class KafkaSettings(Security):
    """How to reach Kafka, beyond its address in ``log``: TLS and SASL as in `Security`, and two times."""

    connect_timeout_s: Wait = Field(default=10.0, gt=0)
    """If no broker answers within this time at start, that is reported and the start given up."""
    epoch_check_s: Wait = Field(default=0.5, gt=0)
    """How often the topics' ids and partition counts are checked: a recreated topic is noticed at the latest then."""

    def __post_init__(self) -> None:
        if problem := self.incomplete():
            raise option_error(*problem)


class SqliteSettings(Table):
    """The embedded log."""

    partitions: int = Field(default=1, ge=1, le=64)
    """Partitions of a new topic. One is enough for one process; with more it behaves like a topic in Kafka."""
    retention_s: Seconds = 7 * 24 * 3600.0
    """Older events are removed. The state of the rooms stays."""
    retention_bytes_max: int = Field(default=1 << 30, ge=1 << 16, le=BYTES_MAX)
    """Bytes of a topic's values. Above this the oldest events are removed: a development machine has a small disk."""


class AuthSettings(Table):
    """What clients may do. Tokens are JWTs, signed with one of the keys in this table."""

    mode: Literal["open", "token"] = "open"
    """``open``: everybody may watch, and acting takes a token. ``token``: every client needs a token to connect."""
    hs256_secret: str | None = Field(default=None, repr=False)
    """The shared secret for HS256. Everybody who has it can create tokens."""
    public_keys: Paths = []
    """PEM files with public keys: for RS256, ES256 or EdDSA, depending on the type of the key."""
    jwks: str | None = None
    """Keys that are rotated: the URL or the file of a JSON Web Key Set (RFC 7517)."""
    jwks_refresh_s: Seconds = 300.0
    """How often the key set is read again. An unknown key makes that happen sooner."""
    audience: str | None = None
    """The audience that ``aud`` must contain. Not checked if unset."""
    issuer: str | None = None
    """The issuer that ``iss`` must be. Not checked if unset."""
    leeway_s: float = Field(default=5.0, ge=0, le=300, allow_inf_nan=False)
    """How much the clocks of the issuer and of this edge may differ."""

    @field_validator("hs256_secret")
    @classmethod
    def _secret_long_enough(cls, secret: str | None) -> str | None:
        if secret is not None and len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret for HS256 must have at least {SECRET_BYTES_MIN} bytes (RFC 7518)")
        return secret

    @property
    def has_keys(self) -> bool:
        """Whether there is any key to check tokens with. A server without one does not read verdicts."""
        return bool(self.hs256_secret or self.public_keys or self.jwks)

    @model_validator(mode="after")
    def _tokens_need_keys(self) -> "AuthSettings":
        if self.mode == "token" and not self.has_keys:
            raise option_error("mode", "needs hs256_secret, public_keys or jwks: without a key no client could connect")
        return self


PerSecond: TypeAlias = Annotated[float, Field(gt=0, le=COUNT_MAX, allow_inf_nan=False)]
Burst: TypeAlias = Annotated[int, Field(ge=1, le=COUNT_MAX)]


class RatesSettings(Table):
    """How often one connection may do what costs all: a number at once, and per second in the long run."""

    subscribes_per_second_max: PerSecond = 50.0
    """Rooms that a client asks for. Each costs an edge 50 us and more; people change rooms about once a second."""
    subscribes_burst: Burst = 1_000
    """Rooms at once: a client asks for all of its rooms when it connects. At least ``rooms_max``."""
    refreshes_per_second_max: PerSecond = 0.2
    """Tokens that a client presents in place of the one before. Checking a signature takes up to 200 us; tokens live
    for minutes."""
    refreshes_burst: Burst = 10
    """Tokens at once, for example a few attempts with one that is refused."""
    pings_per_second_max: PerSecond = 2.0
    """Pings and pongs. Clients that keep a connection alive by them send one in 5 to 60 seconds."""
    pings_burst: Burst = 120
    """Pings at once: what has piled up while the network was away for two minutes, with one per second."""
    refusals_per_second_max: PerSecond = 100.0
    """Messages that are refused. While Kafka is away, a client may send 64 actions again each second
    (``actions.window``, ``actions.retry_s``), and does nothing wrong."""
    refusals_burst: Burst = 1_000
    """Refusals at once: after that, a client that is broken, or means harm, is closed. At least ``rooms_max``."""
    messages_per_second_max: PerSecond = 200.0
    """Messages of any kind. People send a few per second. More are allowed if ``[actions]`` allows them: twice as many
    as a player may send, or sends again while Kafka is away."""
    messages_burst: Burst = 2_000
    """Messages at once: what piled up while the network was away."""
    bytes_per_second_max: PerSecond = 512 * 1024.0
    """Bytes of messages, after decompression. Parsing 512 KiB of JSON takes about 10 ms of the edge's core. More are
    allowed if ``[actions]`` allows them."""
    bytes_burst: Burst = 4 << 20
    """Bytes at once. Never less than ``message_bytes_max``."""


class ActionsSettings(Table):
    """Players' actions: accepted from connections with a token, and appended to one topic for all feeds."""

    topic: Topic = "player-actions"
    per_second_max: float = Field(default=30.0, gt=0, le=COUNT_MAX, allow_inf_nan=False)
    """The long-term rate of one player, on all connections of this edge together, and of all edges that share a Redis.
    People tap about ten times a second."""
    burst: int = Field(default=64, ge=1, le=COUNT_MAX)
    """How many actions of a player may arrive at once: a whole ``window`` of them after a lost connection."""
    data_bytes_max: int = Field(default=4096, ge=2, le=ACTION_DATA_BYTES_MAX)
    """Bytes of an action's data as JSON. A position or a choice takes about a hundred."""
    window: int = Field(default=64, ge=1, le=ACTIONS_WINDOW_MAX)
    """Ids in a session, from the first still waiting for Kafka to the newest. At a round trip of 5 ms a window of 64
    allows 12,800 actions per second."""
    waiting_max: int = Field(default=10_000, ge=1, le=COUNT_MAX)
    """Actions waiting for Kafka, all connections together: one second's worth at 10,000 per second. Each takes about a
    kilobyte."""
    retry_s: Wait = Field(default=1.0, ge=0.01)
    """When a client may resend an action that was refused because Kafka is unavailable or too many are waiting."""


class LoggingSettings(Table):
    """The server's own log for operators, on stderr. It is not the log of events, which is ``log``."""

    format: Literal["console", "json"] = "console"
    """``console``: lines for people. ``json``: one JSON object per line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """``info``: what happens to connections. ``warning``: what an operator should look at. ``error``: what is lost."""


class VerdictsSettings(Table):
    """Verdicts of cheat detectors. Every edge reads the topic from its beginning."""

    topic: Topic = "cheat-verdicts"
    players_max: int = Field(default=1_000_000, ge=1, le=COUNT_MAX)
    """Players that are muted or banned. Each takes about 300 bytes. Above this the oldest verdict is forgotten."""
