"""The settings of a server: every limit and address that an operator may set, with its unit and its reason.

`load_settings` takes them from, the stronger first: flags of the command line, environment variables
(``TOUCHLINE_PORT=8080``, and ``TOUCHLINE_KAFKA__CA_FILE`` for the tables), the TOML file, the defaults below.

Rules: an option that does not exist is an error in all of them. Whatever is wrong is told in one line that says where
it was written. ``Settings(...)`` itself looks at nothing but what it is given. Knows nothing of what settings are for.
"""

import os
import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args, get_origin

from platformdirs import user_data_path
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import is_feed_name

from .config_tables import (
    ActionsSettings,
    AuthSettings,
    FeedSettings,
    KafkaSettings,
    Seconds,
    SqliteSettings,
    VerdictsSettings,
    mistake,
)
from .config_values import API_KEY, BYTES_MAX, COUNT_MAX, ORIGIN, WAIT_MS_MAX, Strings

ENV_PREFIX = "TOUCHLINE_"
CONFIG_VARIABLE = "TOUCHLINE_CONFIG"
"""Names the TOML file where no flag does."""
API_KEY_VARIABLE = "TOUCHLINE_API_KEY"
"""The key that the command line publishes with: a client's, where ``TOUCHLINE_API_KEYS`` are the server's."""
TOKEN_VARIABLE = "TOUCHLINE_TOKEN"  # noqa: S105 - its name
"""The token that the command line watches with."""
OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, API_KEY_VARIABLE, TOKEN_VARIABLE, "TOUCHLINE_MATCH_DATA"})
"""Variables with the prefix that are no options; the last says where the tests find recorded matches."""

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

SECRETS = frozenset({"api_keys", "key_password", "sasl_password", "secret"})
"""Options whose values are never shown."""


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

    edge: str = Field(default_factory=socket.gethostname, min_length=1, max_length=64)
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
    open: bool = False
    """Allow publishing without a key also where the control port listens beyond this machine."""

    connections_max: int = Field(default=50_000, ge=1, le=COUNT_MAX)
    """Of this edge. A connection takes some 4 KiB here and a file descriptor."""
    rooms_max: int = Field(default=100, ge=1, le=COUNT_MAX)
    """Rooms of a connection: each is an entry in a room's list, and is walked when the client falls behind."""
    message_bytes_max: int = Field(default=64 * 1024, ge=1024, le=1 << 20)
    """Of a message from a client; see `touchline_protocol.limits`."""
    handshake_ms: int = Field(default=5_000, ge=100, le=WAIT_MS_MAX)
    """From the accepted connection to its hello: so long a stranger may hold a file descriptor for nothing."""
    heartbeat_ms: int = Field(default=25_000, ge=100, le=WAIT_MS_MAX)
    """At the latest so often every client hears something: below the 30 s after which many proxies cut idle ones."""
    errors_max: int = Field(default=100, ge=1, le=COUNT_MAX)
    """Errors that a connection may be answered with; then it is closed as broken."""
    lag_seconds_max: Seconds = 60.0
    """A client that is behind for so long, or takes nothing, is closed; it can come back and resume."""
    compression: bool = False
    """Offer permessage-deflate: an event of a match takes 40 % fewer bytes, and 40 us once for all who asked for it."""
    drain_ms: int = Field(default=2_000, ge=0, le=WAIT_MS_MAX)
    """On SIGTERM clients are told to come back spread over this time, then the edge stops."""

    window_seconds: Seconds = 600.0
    """How far back an edge reads at start and keeps events in memory: most reconnects are within minutes."""
    window_bytes_max: int = Field(default=256 << 20, ge=1 << 16, le=BYTES_MAX)
    """Of all windows of this edge together, values and frames."""
    state_bytes_max: int = Field(default=1 << 20, ge=1 << 12, le=BYTES_MAX)
    """Of a room's state: it travels in one message. Events that do not fit are delivered, but not kept as state."""
    room_idle_seconds: Seconds = 24 * 3600.0
    """A room without clients and without events for so long is forgotten, its state too: a match that is long over."""
    replay_records_max: int = Field(default=50_000, ge=1, le=COUNT_MAX)
    """Records read from the log for one catch-up; a client further behind starts over from the state."""
    replays_max: int = Field(default=4, ge=1, le=COUNT_MAX)
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
        if not self.api_keys and not self.open and self.control_host not in LOOPBACK_HOSTS:
            raise mistake(
                "control_host",
                f"{self.control_host} is reached from elsewhere and api_keys is empty, so anybody could publish: "
                "set api_keys, or open = true if that is meant",
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
    def open_publishing(self) -> bool:
        """Whether publishing needs no key."""
        return not self.api_keys

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


def load_settings(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Put the settings together. ``file`` is the TOML file, else `CONFIG_VARIABLE` names it, else there is none.

    ``flags`` has options of the top level by their names; those that are None were not given.

    Raises:
        OperatorError: the file cannot be read, an option or variable is unknown, a value is wrong: one line, and where.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    sources = [
        _Source(given, lambda path: "flag --" + ".".join(path).replace("_", "-")),
        _Source(_environment(), lambda path: "variable " + _variable(path)),
    ]
    if file is None and (named := os.environ.get(CONFIG_VARIABLE)):
        file = Path(named)
    if file is not None:
        sources.append(_file_source(file))
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        _merge(merged, source.values)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise _explained(error.errors(include_url=False)[0], sources) from None


OptionPath: TypeAlias = tuple[str, ...]
"""An option's name within the tables: ``("kafka", "tls")``."""


class _Source(NamedTuple):
    """Where options were written: tables of values, and what an option is called there."""

    values: Mapping[str, Any]
    name: Callable[[OptionPath], str]


def _file_source(file: Path) -> _Source:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorError(f"the configuration file {file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # TOMLDecodeError, which tells line and column, and UnicodeDecodeError
        raise OperatorError(f"the configuration file {file} is not valid TOML: {error}") from None
    for path in _leaves(values):
        if (unknown := _unknown(path)) is not None:
            option, known = unknown
            raise OperatorError(f"unknown option {option!r} in {file}" + _did_you_mean(option, known, repr))
    return _Source(values, lambda path: f"option {'.'.join(path)!r} in {file}")


def _environment() -> Mapping[str, Any]:
    for variable in sorted(os.environ):
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name in OTHER_VARIABLES:
            continue
        if (unknown := _unknown(tuple(name.removeprefix(ENV_PREFIX).lower().split("__")))) is not None:
            known = unknown[1]
            hint = _did_you_mean(unknown[0], known, lambda option: _variable(tuple(option.split("."))))
            raise OperatorError(f"unknown variable {variable}" + (_kubernetes_hint() or hint))
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        field = str(error).split('"')[1]
        raise OperatorError(f"variable {_variable((field,))} must be JSON, or one variable for each option") from None


def _variable(path: OptionPath) -> str:
    return ENV_PREFIX + "__".join(path).upper()


def _kubernetes_hint() -> str:
    """Kubernetes tells every pod of a service named touchline by variables that begin as ours do."""
    if "TOUCHLINE_SERVICE_HOST" not in os.environ:
        return ""
    return ", which Kubernetes sets for a service named touchline: set enableServiceLinks: false in the pod's spec"


def _leaves(table: Mapping[str, Any], path: OptionPath = ()) -> Iterator[OptionPath]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)


def _unknown(path: OptionPath) -> tuple[str, Sequence[str]] | None:
    """The part of ``path`` that is no option, and the options that stand beside it; None where all of it is one."""
    kind: Any = Settings
    for depth, name in enumerate(path):
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            continue
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
        if name not in fields:
            return ".".join(path[: depth + 1]), [".".join((*path[:depth], field)) for field in fields]
        kind = fields[name].annotation
    return None


def _did_you_mean(option: str, known: Sequence[str], shown: Callable[[str], str]) -> str:
    close = get_close_matches(option, known, n=1)
    return f"; did you mean {shown(close[0])}?" if close else ""


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Lay ``values`` over ``into``, table by table."""
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value.copy() if isinstance(value, dict) else value


def _explained(error: ErrorDetails, sources: Sequence[_Source]) -> OperatorError:
    """What is wrong with a value, in one line, with the source that it came from."""
    path = tuple(str(part) for part in error["loc"])
    context = error.get("ctx", {})
    if "option" in context:
        path = (*path, *context["option"].split("."))
    source = max(
        sources, key=lambda source: len(_known_part(path, source.values))
    )  # of several, the first: the strongest
    named = path if error["type"] == "missing" else _known_part(path, source.values)
    where = source.name(named) if _known_part(path, source.values) else f"option {'.'.join(path)!r}"
    what = str(context["error"]) if error["type"] == "value_error" else error["msg"]
    what = what.replace("Input should be", "must be").replace("Field required", "is missing")
    what = {"model_type": "must be a table", "extra_forbidden": "there is no such option"}.get(error["type"], what)
    if error["type"] not in ("mistake", "value_error", "missing", "extra_forbidden") and not SECRETS.intersection(path):
        what += f", not {error['input']!r}"
    return OperatorError(f"{where}: {what}")


def _known_part(path: OptionPath, values: Mapping[str, Any]) -> OptionPath:
    """How far ``path`` leads into ``values``."""
    here: Any = values
    for depth, name in enumerate(path):
        if not isinstance(here, dict) or name not in here:
            return path[:depth]
        here = here[name]
    return path
