"""The door: who a client is, and under which name it acts. A session asks here when it opens, and says when it is gone.

Rules:

1. Without ``token_needed`` everybody may watch every room, whatever a token's ``rooms`` say; a token is for acting, and
   has to be good all the same. With it, a token is needed, and says which rooms its player may watch.
2. A token is checked when it is shown, once; its end is noticed by `Players`.
"""

from typing import TYPE_CHECKING

from touchline_protocol import codes
from touchline_protocol.messages import Verdict

from .action_queue import Actions
from .grants import Grant, TokenRefused, Verify
from .players import Players

if TYPE_CHECKING:
    from .client import Session


TIDY_EVERY_MS = 10_000
"""Players that are gone hold a bucket until it is full: seconds. Looking at each takes a microsecond."""


class Door:
    """What an edge's sessions share: how tokens are checked, the players, and their actions."""

    def __init__(self, verify: Verify | None, players: Players, actions: Actions, *, token_needed: bool) -> None:
        self.verify = verify
        self.players = players
        self.actions = actions
        self.token_needed = token_needed
        self._ended: list[Session] = []
        self._tidy_again_ms = 0

    def admit(self, token: str | None, now_ms: int) -> Grant | None:
        """What a token grants; None for who needs none.

        Raises:
            TokenRefused: there is none, or it is not taken.
        """
        if token is not None:
            if self.verify is None:
                raise TokenRefused(codes.TOKEN_ALGORITHM, "this server has no key to check tokens with: leave it out")
            return self.verify(token, now_ms)
        if self.token_needed:
            raise TokenRefused(codes.TOKEN_MISSING, "say hello with a token, or send it as Authorization: Bearer")
        return None

    def may_watch(self, grant: Grant | None, room: str) -> bool:
        """Whether the holder of a grant, or who has none, may be in a room."""
        return not self.token_needed or (grant is not None and grant.rooms.allow(room))

    def standing(self, grant: Grant | None, now_ms: int) -> Verdict | None:
        """The mute or ban that stands against who holds a grant."""
        return None if grant is None else self.players.verdicts.of(grant.player, now_ms)

    def enter(self, session: "Session", grant: Grant, now_ms: int) -> None:
        """A session is its grant's player's from now on."""
        session.grant = grant
        self.players.enter(session, grant, now_ms)

    def act_as(self, session: "Session", grant: Grant, name: str, *, continued: bool) -> None:
        """A session acts under a name from now on; another one that did so until now is closed."""
        replaced = self.actions.enter(session, grant.player, name, continued=continued)
        if replaced is not None:
            self._ended.append(replaced)

    def take_ended(self) -> "list[Session]":
        """The sessions that were ended by another one, and are to be closed."""
        if not self._ended:
            return []
        ended, self._ended = self._ended, []
        return ended

    def renew(self, session: "Session", token: str, now_ms: int) -> Grant:
        """A session shows a newer token.

        Raises:
            TokenRefused: it is not taken, or is another player's; the session stays what it is.
        """
        grant = self.admit(token, now_ms)
        if grant is None or session.grant is None or grant.player != session.grant.player:
            raise TokenRefused(codes.TOKEN_PLAYER, "a newer token is of the same player; for another one connect anew")
        self.players.leave(session, session.grant, now_ms)
        self.enter(session, grant, now_ms)
        return grant

    def tidy(self, now_ms: int) -> None:
        """Forget who has been gone for long, now and then."""
        if now_ms < self._tidy_again_ms:
            return
        self._tidy_again_ms = now_ms + TIDY_EVERY_MS
        self.players.tidy(now_ms)
        self.actions.tidy(now_ms)

    def leave(self, session: "Session", now_ms: int) -> None:
        """A session is over."""
        if session.grant is not None:
            self.players.leave(session, session.grant, now_ms)
            self.actions.leave(session, now_ms)
