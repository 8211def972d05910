"""Access: who a client is, and what it may watch and do. A client asks here when it opens, and reports when it is gone.

It grants and does not write: the results go back to the client, which keeps them.

Rules:

1. Without ``token_required`` everybody may watch every room, whatever a token's ``rooms`` say; a token is for acting,
   and has to be valid all the same. With it, a token is required, and names the rooms that its player may watch.
2. Only a token that says so lets its holder see which players are in a room, whatever else is open: players did not
   ask to be listed.
3. A token is checked once, when it is presented; `TokenExpiry` notices its end.
4. A player has at most ``connections_max`` connections: here, and on the whole fleet if there is a player store.
"""

from collections.abc import Set as AbstractSet
from typing import Generic

from touchline_protocol import codes
from touchline_protocol.messages import Verdict
from touchline_server.core.clocks import LoopMs, Now
from touchline_server.core.counters.edge import ClientCounters

from .action_queue import ActionLimits, ActionQueue, Check
from .action_session import ActionSession, C
from .grants import Grant, TokenRefused, Verify
from .rate_limiter import RateLimiter
from .registry import PlayerRegistry
from .shared_players import SharedPlayers
from .token_expiry import TokenExpiry
from .verdicts import Verdicts

EVICT_EVERY_MS = 10_000
"""How often players that are gone are looked for; looking at each takes a microsecond."""


class Access(Generic[C]):
    """What an edge's clients share: how tokens are checked, the players, their verdicts and their actions.

    ``is_shared``: there is a player store. Then ``fleet`` is what is shared through it. ``counters`` are for what
    clients ask and are told.
    """

    def __init__(
        self,
        verify: Verify | None,
        verdicts: Verdicts,
        limiter: RateLimiter,
        actions: ActionQueue[C],
        *,
        token_required: bool,
        connections_max: int,
        is_shared: bool = False,
    ) -> None:
        self.verify = verify
        self.verdicts = verdicts
        self.actions = actions
        self.counters = ClientCounters()
        self.token_required = token_required
        self._limiter = limiter
        self._players: PlayerRegistry[C] = PlayerRegistry()
        self._expiry: TokenExpiry[C] = TokenExpiry()
        self.connections_max = connections_max
        self.fleet: SharedPlayers[C] | None = None
        if is_shared:
            self.fleet = SharedPlayers(self._players, limiter, actions.sessions, connections_max=connections_max)
        self._evict_again_ms = 0

    def reload(
        self,
        verify: Verify | None,
        limits: ActionLimits,
        check: Check,
        *,
        per_second_max: float,
        burst: int,
        connections_max: int,
    ) -> None:
        """Use other keys, limits and schemas from now on. A grant stays until its token ends."""
        self.verify = verify
        self._limiter.set_rate(per_second_max=per_second_max, burst=burst)
        self.connections_max = connections_max
        if self.fleet is not None:
            self.fleet.connections_max = connections_max
        self.actions.reload(limits, check)

    def admit(self, token: str | None, now: Now) -> Grant | None:
        """What a token grants from now on; None if there is no token and none is required.

        Raises:
            TokenRefused: the token is missing or not accepted.
        """
        if token is not None:
            if self.verify is None:
                raise TokenRefused(codes.TOKEN_ALGORITHM, "this server has no key to check tokens with: leave it out")
            grant = self.verify(token, now.unix_ms)
            return grant._replace(ends_ms=LoopMs(now.loop_ms + grant.expires_ms - now.unix_ms))
        if self.token_required:
            raise TokenRefused(codes.TOKEN_MISSING, "put a token into hello, or send it as Authorization: Bearer")
        return None

    def may_watch(self, grant: Grant | None, room: str) -> bool:
        """Whether a client with this grant, or without one, may be in a room."""
        return not self.token_required or (grant is not None and grant.rooms.allow(room))

    def may_see_members(self, grant: Grant | None, room: str) -> bool:
        """Whether a client with this grant, or without one, may see which players are in a room."""
        return grant is not None and grant.members.allow(room)

    def standing(self, grant: Grant | None, now_ms: LoopMs) -> Verdict | None:
        """The mute or ban that stands against the player of a grant."""
        return None if grant is None else self.verdicts.of(grant.player, now_ms)

    def enter(self, client: C, grant: Grant) -> None:
        """A client is signed in as its grant's player from now on."""
        self._players.add(grant.player, client)
        self._expiry.add(client, grant.ends_ms)

    def renew(self, client: C, grant: Grant | None, token: str, now: Now) -> Grant:
        """Exchange a client's grant for that of a newer token.

        Raises:
            TokenRefused: the token is not accepted, or belongs to another player; the grant stays what it is.
        """
        newer = self.admit(token, now)
        if newer is None or grant is None or newer.player != grant.player:
            raise TokenRefused(codes.TOKEN_PLAYER, "a newer token must name the same player; reconnect for another one")
        self._expiry.discard(client, grant.ends_ms)
        self._expiry.add(client, newer.ends_ms)
        return newer

    def leave(self, client: C, grant: Grant) -> None:
        """A client is gone."""
        self._players.discard(grant.player, client)
        self._expiry.discard(client, grant.ends_ms)
        if self.fleet is not None:
            self.fleet.gone(client, grant.player)

    def enter_session(
        self, client: C, player: str, name: str, number: int, *, continued: bool
    ) -> tuple[ActionSession[C], C | None]:
        """A client acts in a session from now on, which the player store holds under ``number``, or 0.

        Returns the session, and the client that it is taken from.
        """
        session, replaced = self.actions.enter(client, player, name, continued=continued)
        if self.fleet is not None:
            self.fleet.entered(session, number)
        return session, replaced

    def leave_session(self, session: ActionSession[C], now_ms: LoopMs) -> None:
        """A session's connection is gone."""
        self.actions.leave(session, now_ms)
        if self.fleet is not None:
            self.fleet.left(session)

    def is_full(self, player: str, *, newcomers: int) -> bool:
        """Whether a player has too many connections on this edge if there are ``newcomers`` more."""
        return len(self._players.clients_of(player)) + newcomers > self.connections_max

    def clients_of(self, player: str) -> AbstractSet[C]:
        """The clients that are signed in as a player."""
        return self._players.clients_of(player)

    def take_expired(self, now_ms: LoopMs) -> list[C]:
        """The clients whose tokens have ended since the last call."""
        return self._expiry.take_expired(now_ms)

    def evict_idle(self, now_ms: LoopMs) -> None:
        """Forget players and sessions that have been gone for long. Call this periodically."""
        if now_ms < self._evict_again_ms:
            return
        self._evict_again_ms = now_ms + EVICT_EVERY_MS
        self._limiter.evict_full(now_ms)
        self._expiry.evict_unused()
        self.actions.evict_idle(now_ms)
