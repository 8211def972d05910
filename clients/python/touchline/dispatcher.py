"""Hands what a session has to report to those who wait for it.

Items go to the subscriptions' inboxes, outcomes to the callers of `Client.act`, and verdicts to the user's callback. It
decides nothing: what there is to report, and in which order, is up to `touchline.session`.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from .errors import ClientClosed, TouchlineError
from .inbox import Budget, Inbox
from .session.items import Gap, Joined, Members, Occupancy, Refused, Verdict
from .session.pending_action import Outcome, PendingAction, Receipt
from .session.room import Room
from .session.session import Session
from .session.states import State

OnOccupancy = Callable[[Occupancy], object]
"""Called with each number of connections in a room as it arrives."""

OnMembers = Callable[[Members], object]
"""Called with each list or change of a room's members as it arrives."""

OnVerdict = Callable[[Verdict], object]
"""Called with each verdict about the player as it arrives."""

log = logging.getLogger("touchline")

T = TypeVar("T")

STARTING_OVER = "%s: cannot continue from the cursor, so events may have been missed; starting over from the state"
"""The warning about a room that starts over, with its name to be put in."""


class OnPresence(NamedTuple):
    """What the user wants called about a room."""

    occupancy: OnOccupancy | None = None
    members: OnMembers | None = None


class _Reader(NamedTuple):
    """The reader of a room: its inbox takes all items but those about presence."""

    inbox: Inbox
    on_presence: OnPresence


class Dispatcher:
    """Everybody who waits for something from ``session``. ``settled`` is set once the client is open or has failed."""

    def __init__(self, session: Session, budget: Budget, on_verdict: OnVerdict | None) -> None:
        self.settled = asyncio.Event()
        self._session = session
        self._budget = budget
        self._on_verdict = on_verdict
        self._last_verdict: Verdict | None = None
        self._readers: dict[Room, _Reader] = {}
        self._answers: dict[PendingAction, asyncio.Future[Outcome | TouchlineError]] = {}

    def add_inbox(self, room: Room, on_presence: OnPresence) -> Inbox:
        """An inbox for the items of a room, except those about presence, which are handed out at once."""
        reader = self._readers[room] = _Reader(Inbox(self._budget), on_presence)
        return reader.inbox

    def remove_inbox(self, room: Room) -> bool:
        """Drop what waits for a room. Returns whether the room was still followed."""
        reader = self._readers.pop(room, None)
        if reader is None:
            return False
        reader.inbox.discard()
        return True

    async def wait_for(self, action: PendingAction) -> Receipt:
        """Wait for what becomes of an action.

        Raises:
            TouchlineError: the client was closed or gave up before that, or the action was not done.
        """
        answer: asyncio.Future[Outcome | TouchlineError] = asyncio.get_running_loop().create_future()
        self._answers[action] = answer
        try:
            outcome = await answer
        finally:
            self._answers.pop(action, None)
            self._session.withdraw(action)
        if isinstance(outcome, TouchlineError):
            raise outcome.with_traceback(None)  # several callers may wait for the same end
        return outcome

    def dispatch(self, size_bytes: int) -> None:
        """Hand out what a message of ``size_bytes`` brought; pass 0 without a message. Its bytes are counted once."""
        for action, outcome in self._session.take_outcomes():
            self._answer(action, outcome)
        self._report_verdict()
        for room, item in self._session.take_items():
            reader = self._readers.get(room)
            if reader is None:
                continue
            if isinstance(item, Occupancy | Members):
                _report_presence(reader.on_presence, item)
                continue
            if isinstance(item, Refused):
                del self._readers[room]
                reader.inbox.end(item.error)
                continue
            _warn(room, item)
            reader.inbox.put(item, size_bytes)
            size_bytes = 0
        if self._session.state is State.OPEN:
            self.settled.set()

    def end(self, error: TouchlineError | None) -> None:
        """End every subscription: at once if the user closed, or after what has arrived if the client gave up.

        Nobody waits for an action any longer either.
        """
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            if error is None:
                reader.inbox.discard()
            else:
                reader.inbox.end(error)
        for action in self._answers:
            self._answer(action, error or ClientClosed("the client was closed; if the action was sent, it may be done"))

    def _answer(self, action: PendingAction, outcome: Outcome | TouchlineError) -> None:
        answer = self._answers.get(action)
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    def _report_verdict(self) -> None:
        verdict = self._session.verdict
        if verdict is self._last_verdict:
            return
        self._last_verdict = verdict
        if self._on_verdict is not None and verdict is not None:
            _call("on_verdict", self._on_verdict, verdict)


def _report_presence(on_presence: OnPresence, item: Occupancy | Members) -> None:
    if isinstance(item, Occupancy):
        if on_presence.occupancy is not None:
            _call("on_occupancy", on_presence.occupancy, item)
    elif on_presence.members is not None:
        _call("on_members", on_presence.members, item)


def _call(name: str, callback: Callable[[T], object], item: T) -> None:
    try:
        callback(item)
    except Exception:  # an error in the user's callback must not end the connection
        log.exception("%s failed", name)


def _warn(room: Room, item: object) -> None:
    """Log what a user who only looks at events would not notice."""
    if isinstance(item, Gap):
        log.warning(
            "%s: events up to offset %d are missing after %d; asking for them again", room.name, item.prev, item.seen
        )
    elif isinstance(item, Joined) and item.restarted:
        log.warning(STARTING_OVER, room.name)
