"""What all users have in common: options, rooms, a name, a connection that is observed, and cues."""

import time
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent.event
from locust import User, task
from locust.env import Environment

from touchline.session.items import Event
from touchline_loadtest.clients.room_choice import POPULARITY, RoomChoice, parse_range, parse_rooms
from touchline_loadtest.locust.behaviour.times import long_tail_s
from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_loadtest.locust.connection.client import Client
from touchline_loadtest.locust.connection.driver import Endpoint
from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.observe.observer import ANSWER_S_MAX, Observer
from touchline_loadtest.locust.plugin.listeners import listen
from touchline_loadtest.locust.plugin.options import given
from touchline_loadtest.locust.plugin.process import load_process
from touchline_loadtest.locust.results.recorder import UserRecorder
from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_protocol.errors import OperatorError

DEFAULT_HOST = "ws://127.0.0.1:8080"
WS_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

listen()


class TouchlineUser(User):
    """Base of the users. Class attributes configure it; a command-line option of the same name wins over them."""

    abstract = True
    host = DEFAULT_HOST
    rooms: ClassVar[str] = "score:1"
    """A list or a range, as for ``--rooms``. The first room is the most popular."""
    room_popularity: ClassVar[float] = POPULARITY
    rooms_per_user: ClassVar[str] = "1-5"
    stay: ClassVar[float] = 30.0
    """The typical length of a visit, in seconds."""
    away: ClassVar[float] = 5.0
    """The typical time between two visits, in seconds."""
    codec: ClassVar[str] = "msgpack"
    token_secret: ClassVar[str | None] = None
    token_audience: ClassVar[str | None] = None
    token_issuer: ClassVar[str | None] = None
    answer_s_max: ClassVar[float] = ANSWER_S_MAX
    """How many seconds without an answer, or without the events that other users receive, are a failure."""
    event_row: ClassVar[str] = rows.EVENT
    """The row of the table in which this user's events are counted."""
    slow_reader: ClassVar[bool] = False
    """Whether this user reads slowly, which explains that its connections end for it."""
    verdicts_expected: ClassVar[bool] = False
    """Whether this user's behaviour explains that it is warned, muted or banned."""
    restarts_expected: ClassVar[bool] = False
    """Whether rooms may start over: the log is shorter than users stay away, or topics are created again."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.process = load_process(environment)
        self.random = Random()  # noqa: S311 - not for secrets
        self.name = self.process.client_name(type(self).__name__)
        self.choice = RoomChoice(parse_rooms(self.option("rooms")), float(self.option("room_popularity")))
        self.room_counts = parse_range(str(self.option("rooms_per_user")))
        self.observer: Observer | None = None
        self._recorder: UserRecorder | None = None
        self._stirred = gevent.event.Event()
        self._may_watch = gevent.event.Event()
        self._may_watch.set()

    @classmethod
    def check(cls, environment: Environment) -> None:
        """Make sure that users of this class can do what they are configured to do. Called before a test begins.

        Raises:
            OperatorError: they cannot.
        """
        rooms = parse_rooms(str(cls.setting(environment, "rooms")))
        RoomChoice(rooms, float(cls.setting(environment, "room_popularity")))
        parse_range(str(cls.setting(environment, "rooms_per_user")))

    @classmethod
    def setting(cls, environment: Environment, name: str) -> Any:
        """A setting: the command line's, or else the class's."""
        value = given(environment, name)
        return getattr(cls, name) if value is None else value

    def option(self, name: str) -> Any:
        """A setting of this user."""
        return self.setting(self.environment, name)

    @property
    def url(self) -> str:
        """The address of the WebSocket."""
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

    @task
    def run_visit(self) -> None:
        """Locust's task. It calls `visit`, which subclasses override: Locust would run an overridden task as well."""
        self.wait_for_return()
        self.visit()

    def visit(self) -> None:
        """Connect, watch for a while, and leave."""
        raise NotImplementedError

    def new_observer(self) -> Observer:
        """Observes this user's connection under its name."""
        self.observer = Observer(
            self.name,
            self.process.shared,
            self.recorder(),
            address=urlsplit(self.url).netloc,
            event_row=self.event_row,
            slow_reader=self.slow_reader,
            verdicts_expected=self.verdicts_expected,
            restarts_expected=self.restarts_expected,
            answer_s_max=self.patience_s(),
        )
        return self.observer

    def patience_s(self) -> float:
        """How long this user waits for an answer, in seconds."""
        return float(self.option("answer_s_max"))

    def give_up(self) -> None:
        """The user has waited in vain: end the waiting."""

    def recorder(self) -> UserRecorder:
        """Records what this user does under its present name."""
        if self._recorder is None or self._recorder.client != self.name:
            self._recorder = self.process.new_recorder(self.name)
        return self._recorder

    def new_client(self) -> Client:
        """A client that is observed, not yet connected."""
        decoded = self.process.decoded[self.option("codec")]
        token = self.token if self.option("token_secret") else None
        return Client(self.endpoint(), decoded, self.new_observer(), token=token, on_event=self.on_event)

    def on_event(self, event: Event) -> None:
        """Called with each event, in order. Override it to react; it must not block."""

    # Staying, and being away.

    def wait_time(self) -> float:
        """How long to stay away, in seconds."""
        return long_tail_s(float(self.option("away")), self.random)

    def stay_s(self) -> float:
        """How long this visit lasts, in seconds."""
        return long_tail_s(float(self.option("stay")), self.random)

    def pause(self, seconds: float) -> bool:
        """Do nothing for a while; returns whether the user may go on watching. Half-time, or `stir`, ends it early."""
        self._stirred.clear()
        if self._may_watch.is_set():
            self._stirred.wait(max(0.0, seconds))
        return bool(self._may_watch.is_set())

    def wait_for_return(self) -> None:
        """At half-time, wait for the second half."""
        self._may_watch.wait()

    # What the shape, or a test, makes happen.

    def on_start(self) -> None:
        """Begin to listen to cues."""
        self.process.users.add(self)

    def on_stop(self) -> None:
        """Listen no longer."""
        self.process.users.discard(self)

    def cue(self, kind: CueKind) -> None:
        """Something happens to everybody."""
        match kind:
            case CueKind.LEAVE:
                self._may_watch.clear()
                self.stir()
            case CueKind.RETURN:
                self._may_watch.set()
            case CueKind.CUT:
                self.cut()
            case CueKind.GOAL:
                self.on_goal()

    def stir(self) -> None:
        """End a pause."""
        self._stirred.set()

    def cut(self) -> None:
        """Lose the connection, without a close."""

    def on_goal(self) -> None:
        """A goal has been scored."""
