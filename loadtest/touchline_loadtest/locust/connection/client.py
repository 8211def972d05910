"""A Touchline client for greenlets: `touchline.Client` without asyncio, and with an observer.

It decides nothing: it passes the user's wishes to the SDK's session, and hands out what the session reports.
"""

from collections.abc import Callable
from random import random
from typing import Protocol

import gevent
import gevent.event

from touchline.errors import ActionInDoubt, ActionRefused, ClientClosed, ConnectionFailed, RoomRefused, TouchlineError
from touchline.session.action_data import encode_data
from touchline.session.items import Event, Item, Refused
from touchline.session.pending_action import Outcome, PendingAction, Receipt
from touchline.session.reconnect import Backoff
from touchline.session.room import Phase
from touchline.session.session import Session
from touchline.session.states import SERVED, State
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver

from .driver import Driver, Endpoint, Watcher
from .tapped_codec import Decoded, Tap, TappedCodec

ACTIONS_MAX = 256
"""Actions that may wait for their answers: more than a person does while a connection is away."""
AGENT = "touchline-loadtest"


class NoAnswer(TouchlineError):
    """The client has waited for too long. Its observer has reported for what."""


class Observing(Tap, Watcher, Protocol):
    """Hears everything that happens to a client."""


class Client:
    """One client. ``on_event`` is called with each event of a room, in order, and must not block.

    ``token`` returns a token for each connection, and before one expires.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        decoded: Decoded,
        observer: Observing,
        *,
        token: Callable[[], str] | None = None,
        on_event: Callable[[Event], None] | None = None,
        backoff: Backoff = Backoff(),  # noqa: B008 - immutable
    ) -> None:
        self._session = Session(
            TappedCodec(decoded, observer),
            agent=AGENT,
            backoff=backoff,
            random=random,
            retry_first=True,
            actions_max=ACTIONS_MAX,
            can_renew_token=token is not None,
        )
        self._on_event = on_event
        self._answers: dict[PendingAction, gevent.event.AsyncResult[Outcome]] = {}
        self._changed = gevent.event.Event()
        self._refused: dict[str, RoomRefused] = {}
        self._driver = Driver(endpoint, self._session, observer, token=token, dispatch=self._dispatch)
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self._has_given_up = False
        self.closing = False
        """Whether the user wants to leave, so that nobody waits for answers any more."""

    @property
    def failure(self) -> ConnectionFailed | None:
        """Why the client gave up; None if it did not."""
        return self._session.failure

    @property
    def closed(self) -> bool:
        """Whether the client is closed, or has given up."""
        return self._session.state is State.CLOSED

    def open(self) -> None:
        """Connect, however many attempts that takes; returns once the server has said welcome.

        Raises:
            ConnectionFailed: the server would refuse again.
            NoAnswer: the client has given up.
        """
        self._greenlet = gevent.spawn(self._driver.run)
        self._greenlet.link(self._driver_ended)
        self._wait_until(lambda: self._session.state in SERVED)

    def follow(self, room: str, *, after: Cursor | None = None, last: int = 0, deliver: Deliver = "all") -> None:
        """Join a room. It is joined again by itself after each lost connection."""
        self._session.subscribe(room, after=after, last=last, deliver=deliver)
        self._driver.wake()

    def wait_joined(self) -> None:
        """Wait until the client is in all of its rooms.

        Raises:
            ConnectionFailed: the server would refuse again.
            RoomRefused: the server refused a room for good.
            NoAnswer: the client has given up.
        """
        self._wait_until(lambda: all(room.phase is Phase.JOINED for room in self._session.rooms.values()))
        if self._refused:
            raise self._refused.popitem()[1]

    def leave(self, room: str) -> Cursor | None:
        """Leave a room; returns the cursor to come back with."""
        followed = self._session.rooms.get(room)
        if followed is None:
            return None
        self._session.unsubscribe(followed)
        self._driver.wake()
        return followed.cursor

    def rooms(self) -> list[str]:
        """The rooms that the client follows."""
        return list(self._session.rooms)

    def cursors(self) -> dict[str, Cursor]:
        """Where the client is in each room."""
        return {name: room.cursor for name, room in self._session.rooms.items() if room.cursor is not None}

    def act(self, room: str, kind: str, data: object = None) -> Receipt:
        """Act in ``room``; returns once the action is in the log.

        Raises:
            ActionRefused, ActionInDoubt: as `touchline.Client.act`.
            ActionsFull: too many actions are waiting for their answers.
            ConnectionFailed, ClientClosed: the client ended meanwhile.
            NoAnswer: the client has given up.
        """
        if self.closed:
            raise self._ended()
        if self._has_given_up:
            raise NoAnswer("the server does not answer")
        action = self._session.act(room, kind, encode_data(data))
        answer = self._answers[action] = gevent.event.AsyncResult()
        self._driver.wake()
        try:
            outcome: Outcome = answer.get()
        finally:
            self._answers.pop(action, None)
            self._session.withdraw(action)
        if isinstance(outcome, (ActionRefused, ActionInDoubt)):
            raise outcome
        return outcome

    def cut(self) -> None:
        """Lose the connection without a close. The client connects again by itself, and continues from its cursors."""
        self._driver.cut()

    def give_up(self) -> None:
        """Wait for no answer any more, neither now nor later: somebody who watches the clock says so."""
        self._has_given_up = True
        self._end_answers(NoAnswer("the server does not answer"))
        self._changed.set()

    def close(self) -> None:
        """Close the connection."""
        self.closing = True
        self._session.close()
        self._driver.wake()
        if self._greenlet is not None:
            self._greenlet.join()
            self._greenlet.get()  # raises what went wrong in it
        self._dispatch()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self.closed:
                raise self._ended()
            if self._greenlet is not None and self._greenlet.dead:
                self._greenlet.get()  # raises what went wrong in it
            if self._has_given_up:
                raise NoAnswer("the server does not answer")
            self._changed.clear()
            self._changed.wait()

    def _dispatch(self) -> None:
        """Hand out what the session has to report."""
        for action, outcome in self._session.take_outcomes():
            if (answer := self._answers.get(action)) is not None:
                answer.set(outcome)
        for room, item in self._session.take_items():
            self._hand_out(room.name, item)
        if self.closed:
            self._end_answers(self._ended())
        if not self._changed.is_set():
            self._changed.set()

    def _ended(self) -> TouchlineError:
        return self._session.failure or ClientClosed("the client was closed")

    def _end_answers(self, error: TouchlineError) -> None:
        """Nobody answers any more."""
        for answer in self._answers.values():
            if not answer.ready():
                answer.set_exception(error)

    def _driver_ended(self, _: object) -> None:
        """The driver has ended, perhaps by a bug: nobody may wait for it."""
        self._end_answers(self._ended())
        self._changed.set()

    def _hand_out(self, room: str, item: Item) -> None:
        if isinstance(item, Event):
            if self._on_event is not None:
                self._on_event(item)
        elif isinstance(item, Refused):
            self._refused[room] = item.error
