"""The tables of the settings: ``[feeds.NAME]``, ``[kafka]``, ``[sqlite]``, ``[auth]``, ``[actions]``, ``[verdicts]``.

What holds for all settings is said in `config`, which puts them together.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from touchline_kafka.security import Security
from touchline_protocol.limits import ACTION_DATA_BYTES_MAX, ACTION_KIND_CHARS_MAX, ACTIONS_WINDOW_MAX
from touchline_protocol.messages import ActionKind

from .values import BYTES_MAX, COUNT_MAX, TOPIC, Paths, Seconds, Wait

SECRET_BYTES_MIN = 32
"""RFC 7518 section 3.2: a key for HS256 has at least as many bits as its hash."""


def is_action_kind(kind: str) -> bool:
    """Whether an action can be of this kind."""
    try:
        msgspec.convert(kind, ActionKind)
    except msgspec.ValidationError:
        return False
    return True


def mistake(option: str, text: str) -> PydanticCustomError:
    """What a validator of a whole table raises: ``option`` is the one to point the operator at."""
    return PydanticCustomError("mistake", "{text}", {"option": option, "text": text})


OTHER_KINDS = "*"
"""In a feed's ``action_schemas``: the schema of every kind that has none of its own."""


def _topic_name(topic: str) -> str:
    if not TOPIC.fullmatch(topic):
        raise ValueError(f"{topic!r} cannot name a topic: 1 to 249 letters, digits, '.', '_' and '-', not '.' or '..'")
    return topic


Topic: TypeAlias = Annotated[str, AfterValidator(_topic_name)]


class Table(BaseModel):
    """A table of the file; a name in it that is none is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeedSettings(Table):
    """One feed: ``[feeds.match]``."""

    topic: Topic
    key_field: str | None = None
    """The top-level field of a value that holds the event's key, where producers set no ``key`` header."""
    action_schemas: dict[str, Path] = {}
    """JSON Schema files by the kind of action; ``*`` is for all other kinds. Without any, all actions are taken."""

    @field_validator("action_schemas")
    @classmethod
    def _kinds_that_actions_have(cls, action_schemas: dict[str, Path]) -> dict[str, Path]:
        for kind in action_schemas:
            if kind != OTHER_KINDS and not is_action_kind(kind):
                what = f"1 to {ACTION_KIND_CHARS_MAX} letters, digits, _, . and -, or {OTHER_KINDS} for all others"
                raise ValueError(f"no action can have the kind {kind!r:.80}: {what}")
        return action_schemas


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class KafkaSettings(Security):
    """How to reach Kafka, beyond its address in ``log``: TLS and SASL as in `Security`, and two times."""

    connect_timeout_s: Wait = Field(default=10.0, gt=0)
    """If no broker answers within this time at start, that is reported and the start given up."""
    epoch_check_s: Wait = Field(default=0.5, gt=0)
    """How often the topics' ids and partition counts are checked: a recreated topic is noticed at the latest then."""

    def __post_init__(self) -> None:
        if problem := self.incomplete():
            raise mistake(*problem)


class SqliteSettings(Table):
    """The embedded log."""

    partitions: int = Field(default=1, ge=1, le=64)
    """Of a topic, when it is made. One is enough for one process; more make it behave like Kafka's."""
    retention_s: Seconds = 7 * 24 * 3600.0
    """Older events are removed; the state of the rooms stays."""
    retention_bytes_max: int = Field(default=1 << 30, ge=1 << 16, le=BYTES_MAX)
    """When the values of a topic take more, the oldest events are removed: a development machine's disk is small."""


class AuthSettings(Table):
    """Who may do what. Tokens are JWTs, signed with one of the keys that are named here."""

    mode: Literal["open", "token"] = "open"
    """``open``: everybody may watch, and who shows a token may act. ``token``: nobody is let in without one."""
    hs256_secret: str | None = None
    """Of HS256: whoever has it can make tokens."""
    public_keys: Paths = []
    """PEM files of public keys: RS256, ES256 or EdDSA, by the kind of the key."""
    jwks: str | None = None
    """Keys that are rotated: the URL of a JSON Web Key Set (RFC 7517), or a file."""
    jwks_refresh_s: Seconds = 300.0
    """So often it is read again; a key that is not known makes that sooner."""
    audience: str | None = None
    """What ``aud`` has to hold; without it, it is not looked at."""
    issuer: str | None = None
    """What ``iss`` has to be; without it, it is not looked at."""
    leeway_s: float = Field(default=5.0, ge=0, le=300, allow_inf_nan=False)
    """How far the clocks of who makes tokens and of this edge may differ."""

    @field_validator("hs256_secret")
    @classmethod
    def _secret_long_enough(cls, secret: str | None) -> str | None:
        if secret is not None and len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret for HS256 has at least {SECRET_BYTES_MIN} bytes (RFC 7518): make a longer one")
        return secret

    @model_validator(mode="after")
    def _has_keys(self) -> "AuthSettings":
        if self.mode == "token" and not (self.hs256_secret or self.public_keys or self.jwks):
            raise mistake("mode", "needs hs256_secret, public_keys or jwks: without any, nobody could be let in")
        return self


class ActionsSettings(Table):
    """What players do: taken from connections with a token, appended to one topic for all feeds."""

    topic: Topic = "player-actions"
    per_second_max: float = Field(default=30.0, gt=0, le=COUNT_MAX, allow_inf_nan=False)
    """Of a player, on all connections of this edge together, in the long run: people tap some ten times a second."""
    burst: int = Field(default=60, ge=1, le=COUNT_MAX)
    """Actions of a player that may come at once, as after a lost connection."""
    data_bytes_max: int = Field(default=4096, ge=2, le=ACTION_DATA_BYTES_MAX)
    """Of an action's data, as JSON: a position or a choice takes a hundred."""
    window: int = Field(default=64, ge=1, le=ACTIONS_WINDOW_MAX)
    """Ids of a session, from the first that waits for Kafka to the newest. At a round trip of 5 ms, 64 are 12,800 a
    second."""
    waiting_max: int = Field(default=10_000, ge=1, le=COUNT_MAX)
    """The same of all connections together: at 10,000 a second, one second; each takes about a kilobyte."""
    retry_s: Wait = Field(default=1.0, ge=0.01)
    """When a client may send again what could not be taken, since Kafka is away or too much is waiting."""


class VerdictsSettings(Table):
    """What cheat detectors decide; every edge reads it, from its beginning on."""

    topic: Topic = "cheat-verdicts"
    players_max: int = Field(default=1_000_000, ge=1, le=COUNT_MAX)
    """Players that are muted or banned. Each takes some 300 bytes; beyond it the oldest verdict is forgotten."""
