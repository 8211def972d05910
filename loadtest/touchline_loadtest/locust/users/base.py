"""What all users have in common: options, rooms, a name, and a connection that is observed."""

import time
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlsplit

from locust import User
from locust.env import Environment

from touchline.session.items import Event
from touchline_loadtest.locust.behaviour.rooms import POPULARITY, RoomChoice, parse_range, parse_rooms
from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_loadtest.locust.connection.client import Client
from touchline_loadtest.locust.connection.driver import Endpoint
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.observer import Observer
from touchline_loadtest.locust.plugin import listeners
from touchline_loadtest.locust.plugin.options import given
from touchline_loadtest.locust.plugin.process import load_process
from touchline_protocol.codecs import CODECS
from touchline_protocol.errors import OperatorError
from touchline_protocol.messages import ClientMessage, ServerMessage

__all__ = ["TouchlineUser", "listeners"]

DEFAULT_HOST = "ws://127.0.0.1:8080"
WS_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class TouchlineUser(User):
    """Base of the users. Class attributes configure it; a command-line option of the same name wins over them."""

    abstract = True
    host = DEFAULT_HOST
    rooms: ClassVar[str] = "score:1"
    """A list or a range, as for ``--rooms``. The first room is the most popular."""
    room_popularity: ClassVar[float] = POPULARITY
    rooms_per_user: ClassVar[str] = "1-5"
    stay: ClassVar[float] = 30.0
    away: ClassVar[float] = 5.0
    codec: ClassVar[str] = "msgpack"
    token_secret: ClassVar[str | None] = None
    token_audience: ClassVar[str | None] = None
    token_issuer: ClassVar[str | None] = None
    event_row: ClassVar[str] = rows.EVENT
    """The row of the table in which this user's events are counted."""
    closes_expected: ClassVar[frozenset[int]] = frozenset()
    """Close codes that this user's behaviour explains."""
    verdicts_expected: ClassVar[bool] = False

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.process = load_process(environment)
        self.random = Random()  # noqa: S311 - not for secrets
        self.name = self.process.client_name(type(self).__name__)
        self.choice = RoomChoice(parse_rooms(self.option("rooms")), float(self.option("room_popularity")))
        self.room_counts = parse_range(str(self.option("rooms_per_user")))

    def option(self, name: str) -> Any:
        """A setting: the command line's, or else the class's."""
        value = given(self.environment, name)
        return getattr(self, name) if value is None else value

    @property
    def url(self) -> str:
        """Where to connect."""
        parts = urlsplit(self.host or DEFAULT_HOST)
        if parts.scheme not in WS_SCHEMES:
            raise OperatorError(f"{self.host!r} is not an address such as ws://127.0.0.1:8080")
        path = parts.path if parts.path not in ("", "/") else "/ws"
        return f"{WS_SCHEMES[parts.scheme]}://{parts.netloc}{path}"

    def endpoint(self) -> Endpoint:
        """How to reach the server, and how to read from it."""
        return Endpoint(self.url)

    def token(self) -> str:
        """A new token for this user."""
        signer = TokenSigner(
            self.option("token_secret"), audience=self.option("token_audience"), issuer=self.option("token_issuer")
        )
        rooms = sorted({room.partition(":")[0] + ":*" for room in self.choice.rooms})
        return signer.sign(self.name, rooms=rooms, act=rooms, now_s=int(time.time()))

    def new_client(self) -> Client:
        """A client that is observed, not yet connected."""
        observer = Observer(
            self.name,
            self.process.observed,
            NoTrace(),
            event_row=self.event_row,
            closes_expected=self.closes_expected,
            verdicts_expected=self.verdicts_expected,
        )
        codec = next(codec for codec in CODECS if codec.name == self.option("codec"))
        token = self.token if self.option("token_secret") else None
        return Client(self.endpoint(), codec, observer, token=token, on_event=self.on_event)

    def on_event(self, event: Event) -> None:
        """An event has arrived. Override it to react; it must not block."""


class NoTrace:
    """Records nothing."""

    def connected(self) -> None:
        """A connection begins."""

    def sent(self, message: ClientMessage) -> None:
        """The client sent this."""

    def received(self, message: ServerMessage) -> None:
        """The client received this."""

    def closed(self, code: int) -> None:
        """The connection ended."""
