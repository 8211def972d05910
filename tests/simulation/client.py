"""A client: drives the SDK's pure session over a simulated network, as `touchline.driver` does over WebSockets.

Everything is checked twice: each message as it comes off the wire, and each item that the session gives its user.
"""

from collections.abc import Callable
from typing import TypeAlias

from touchline.errors import ActionRefused, ActionsFull, Unreachable
from touchline.session.reconnect import Backoff
from touchline.session.session import Session
from touchline.session.states import CONNECTED, State
from touchline_protocol.codecs import Codec
from touchline_protocol.cursor import Cursor
from touchline_protocol.frames import payload_of, split_frames
from touchline_protocol.messages import Deliver

from .action_check import ActionCheck
from .edge_knowledge import EdgeKnowledge
from .network import Line, Link
from .room_check import RoomCheck
from .site import Site
from .tokens import make_token
from .wire_check import WireCheck
from .world import MS_US, SECOND_US

BACKOFF = Backoff(0.5, 5)
ACTIONS_MAX = 64
TOKEN_MS = 120_000
SILENCE_US = 12 * SECOND_US
"""After this long a client may take a connection for dead, whose edge sends a beat every 5 s."""

Tamper: TypeAlias = Callable[[list[bytes]], list[bytes]]
"""Changes the messages that arrive, for tests of the checks."""


class SimClient:
    """One user with the SDK. ``player`` is empty for one that only watches.

    ``rooms`` has the checks of what it follows. ``make_line`` returns what the network is like for the next connection.
    """

    def __init__(self, site: Site, number: int, codec: Codec, player: str, make_line: Callable[[], Line]) -> None:
        self.number = number
        self.player = player
        self.rooms: dict[str, RoomCheck] = {}
        self.link: Link | None = None
        self.tamper: Tamper | None = None
        self.actions = ActionCheck(site.findings, site.action_log, player)
        self.is_away = False
        self._site = site
        self._world = site.world
        self._codec = codec
        self._make_line = make_line
        self._wire = WireCheck(site.findings, number, self.rooms, codec)
        self._knowledge = EdgeKnowledge(site.log, stored=False)
        self._connecting = False
        self._refreshing = False
        self._reading = True
        self._unread: list[bytes] = []
        self._tick_at_us: int | None = None
        self.session = self._new_session()

    # What the user does.

    def follow(self, name: str, deliver: Deliver, *, last: int = 0, after: Cursor | None = None) -> None:
        room = self.session.subscribe(name, after=after, last=last, deliver=deliver)
        self.rooms[name] = RoomCheck(self._site.findings, self._site.log, self.number, room)
        self.obey()

    def leave(self, name: str) -> None:
        self.session.unsubscribe(self.rooms.pop(name).room)
        self.obey()

    def act(self, room: str, kind: str, n: int) -> None:
        try:
            action = self.session.act(room, kind, b"%d" % n)
        except (ActionsFull, ActionRefused):  # the latter before the first welcome
            return
        self.actions.submitted(action, n)
        self.obey()

    def go_away(self, duration_us: int) -> None:
        """Close the application, and come back later with the cursors."""
        if not self.is_away:
            self.is_away = True
            self.session.close()
            self.actions.forget()
            self.obey()
            self._world.after(duration_us, self.come_back)

    def come_back(self) -> None:
        if self.is_away:
            self.is_away = False
            followed = [(name, check.room.deliver, check.view.cursor) for name, check in self.rooms.items()]
            self.rooms.clear()
            self.session = self._new_session()
            for name, deliver, cursor in followed:
                self.follow(name, deliver, after=cursor)
            self.obey()

    def stop_reading(self, duration_us: int) -> None:
        """The user is slower than the server for a while."""
        if self.link is not None and self._reading:
            self._reading = False
            self.session.pause()
            self.link.stall(duration_us)
            self._world.after(duration_us, self._read_on)

    # What the network brings.

    def received(self, data: bytes) -> None:
        """Frames arrived."""
        if not self._reading:
            self._unread.append(data)
            return
        self._site.trace.add(self.number, data)
        payloads = [payload_of(frame) for frame in split_frames(data)]
        if self.tamper is not None:
            payloads = self.tamper(payloads)
        session, now_s = self.session, self._world.now_s
        for payload in payloads:
            if session.state not in CONNECTED:
                break
            self._wire.take(payload)
            session.receive(payload, now_s)
            for room, item in session.take_items():
                self.rooms[room.name].take(item, self._knowledge)
        if session.has_work:
            self.obey()

    def disconnected(self, code: int) -> None:
        """The connection is gone."""
        self._read_on()
        self.link = None
        self.session.disconnected(self._world.now_s, code, "")
        self.obey()

    def obey(self) -> None:
        """Do what the session asks for."""
        session, now_s = self.session, self._world.now_s
        was_connected = session.state in CONNECTED
        session.tick(now_s)
        if session.state in CONNECTED and self.link is not None:
            for payload in session.take_output():
                self.link.send(payload)
            if session.token_due and not self._refreshing:
                self._refreshing = True
                self._world.after(50 * MS_US, self._refresh, session)
        elif self.link is not None:
            if was_connected:
                self._check_silence(self.link)
            self._hang_up(self.link)
        for action, outcome in session.take_outcomes():
            self.actions.take(action, outcome, now_s)
        if session.state is State.CONNECTING and not self._connecting:
            self._connecting = True
            self._world.after(self._world.between(20 * MS_US, 200 * MS_US), self._connect, session)
        elif session.state is State.CLOSED and not self.is_away:
            self._site.findings.add(f"client {self.number} gave up: {session.failure}")
        self._schedule_tick()

    # Inside.

    def _new_session(self) -> Session:
        return Session(
            self._codec,
            agent="simulation",
            backoff=BACKOFF,
            random=self._world.random.random,
            retry_first=True,
            actions_max=ACTIONS_MAX,
            can_renew_token=True,
        )

    def _connect(self, session: Session) -> None:
        self._connecting = False
        if session is self.session and session.state is State.CONNECTING:
            link = Link(self._world, self._make_line(), self)
            knowledge = self._site.accept(link, self._codec)
            if knowledge is not None:
                self.link = link
                self._knowledge = knowledge
                self._wire.connected()
                session.connected(self._world.now_s, self._token())
            else:
                session.connect_failed(self._world.now_s, Unreachable("nothing listens"))
        self.obey()

    def _token(self) -> str | None:
        return make_token(self.player, self._site.log.time_ms + TOKEN_MS) if self.player else None

    def _refresh(self, session: Session) -> None:
        self._refreshing = False
        if session is self.session:
            session.refresh(self._token(), self._world.now_s)
            self.obey()

    def _hang_up(self, link: Link) -> None:
        link.hang_up()
        self.link = None
        self._unread.clear()
        self._reading = True

    def _read_on(self) -> None:
        if not self._reading:
            self._reading = True
            self.session.resume(self._world.now_s)
            unread, self._unread = self._unread, []
            for data in unread:
                self.received(data)
            self.obey()

    def _check_silence(self, link: Link) -> None:
        """A connection in good order was given up: the edge did not send in time."""
        healthy = not link.is_broken and self._world.now_us > link.quiet_until_us + SILENCE_US
        if self.session.state is State.WAITING and healthy:
            self._site.findings.add(f"client {self.number} gave up a good connection: {self.session.trouble}")

    def _schedule_tick(self) -> None:
        deadline = self.session.deadline
        if deadline is None:
            self._tick_at_us = None
            return
        at_us = max(int(deadline * SECOND_US) + 1, self._world.now_us + MS_US)
        if self._tick_at_us is None or at_us < self._tick_at_us:
            self._tick_at_us = at_us
            self._world.at(at_us, self._tick, at_us)

    def _tick(self, at_us: int) -> None:
        if at_us == self._tick_at_us:
            self._tick_at_us = None
            self.obey()
