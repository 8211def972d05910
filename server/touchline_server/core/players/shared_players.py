"""Shared players: what this worker reports to the player store and makes of the answers. Pure.

It is told what happens to clients, sessions and actions, and hands out exchanges (`next_exchange`), one at a time.

Rules:

1. Nobody waits for the store while it is away: clients are let in by what this worker knows itself.
2. After an exchange that failed, or a store that was emptied, everything is presented again, in exchanges of a bounded
   size. Actions of that time are not: each worker has limited them by itself.
3. A session that was entered without the store has the number 0, and is claimed once it is back.

How much more than its rate a player gets that spreads over n workers: what is taken on one of them is known to the
others after `SYNC_MS` and a round trip. So in any t seconds it is at most ``t * per_second_max`` plus, for each of the
n, ``burst`` and what ``per_second_max`` allows in `SYNC_MS`. The player has to wait for the excess afterwards,
so in the long run the rate is exact.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from touchline_server.core.clocks import LoopMs

from .action_session import ActionSession
from .player_store import Admission, Answer, Arrival, Exchange, Holding, Limits, Loss
from .rate_limiter import RateLimiter
from .registry import C, PlayerRegistry

SYNC_MS = 500
"""How often a worker reports what its players took, and learns of sessions that it has lost. It costs Redis 2 us for
each player that acts."""

ARRIVALS_MAX = 512
"""Arrivals of one exchange. While one is under way the next ones gather, so exchanges are large only under load."""

ITEMS_MAX = 4_096
"""Counts and sessions of one exchange: some 10 ms of Redis's time, of which it has one for all."""

REFRESH_EVERY_MS = 1_200_000
"""Every session is presented this often, even if nothing has changed: the store forgets sessions after an hour."""


K = TypeVar("K")


class Waiting(NamedTuple, Generic[C]):
    """A client that waits for the answer to its arrival."""

    client: C
    player: str
    session: str | None


class Admitted(NamedTuple, Generic[C]):
    """A client, and the answer to its arrival."""

    waiting: Waiting[C]
    admission: Admission


class Outcome(NamedTuple, Generic[C]):
    """What came of an exchange: who was let in or refused, and which sessions are lost."""

    admitted: list[Admitted[C]]
    lost: list[ActionSession[C]]


class _Request(NamedTuple, Generic[C]):
    """What an exchange was made of."""

    arrivals: list[Waiting[C]]
    held: list[ActionSession[C]]


class SharedPlayers(Generic[C]):
    """What one worker shares. ``sessions`` are all action sessions, those without a client included."""

    def __init__(
        self,
        players: PlayerRegistry[C],
        limiter: RateLimiter,
        sessions: Mapping[tuple[str, str], ActionSession[C]],
        *,
        connections_max: int,
    ) -> None:
        self.connections_max = connections_max
        self.problem: str | None = None
        """Why the store does not answer; None if it did, or has not been asked yet."""
        self._players = players
        self._limiter = limiter
        self._sessions = sessions
        self._is_available = False
        self._arrivals: OrderedDict[C, Waiting[C]] = OrderedDict()
        self._counts: dict[str, None] = {}
        self._held: dict[ActionSession[C], None] = {}
        self._released: dict[tuple[str, str], Holding] = {}
        self._round: list[ActionSession[C]] = []
        self._under_way: _Request[C] | None = None
        self._sync_again_ms = LoopMs(0)

    @property
    def is_available(self) -> bool:
        """Whether the store answered last time, so that clients may wait for it."""
        return self._is_available

    @property
    def is_urgent(self) -> bool:
        """Whether an exchange should begin now, without waiting for the next sync."""
        waiting = self._arrivals or self._counts or self._released or len(self._held) > ITEMS_MAX
        return self._is_available and bool(waiting)

    # What happens on this worker.

    def arrive(self, client: C, player: str, session: str | None) -> None:
        """A client wants in. The outcome of an exchange says whether it may. The registry has it already."""
        self._arrivals[client] = Waiting(client, player, session)

    def gone(self, client: C, player: str) -> None:
        """A client of a player is gone."""
        if self._arrivals.pop(client, None) is None:
            self._counts[player] = None

    def entered(self, session: ActionSession[C], number: int) -> None:
        """A client goes on with a session, which is held under ``number``; 0 claims it."""
        session.number = number
        if not number:
            self._held[session] = None

    def left(self, session: ActionSession[C]) -> None:
        """A session's client has left."""
        self._held.pop(session, None)
        self._release_at(session, session.number)

    def progressed(self, session: ActionSession[C]) -> None:
        """An action of a session is in the log."""
        if session.client is None:
            self._release_at(session, session.number)
        elif session.number:
            self._held[session] = None

    # Exchanges.

    def next_exchange(self, now_ms: LoopMs) -> Exchange:
        """What is to be exchanged next. Call `answered` or `failed` before the next one."""
        everywhere = now_ms >= self._sync_again_ms
        if everywhere:
            self._sync_again_ms = LoopMs(now_ms + SYNC_MS)
            self._take_round()
        arrivals, counted = self._take_arrivals()
        held = _take(self._held, ITEMS_MAX)
        counts = _take(self._counts, ITEMS_MAX)
        released, self._released = list(self._released.values()), {}
        self._under_way = _Request(arrivals, held)
        return Exchange(
            limits=Limits(self.connections_max, self._limiter.exact_interval_ms),
            arrivals=counted,
            connections={player: len(self._players.clients_of(player)) for player in counts},
            released=released,
            held=[Holding(each.player, each.name, each.number, each.in_log) for each in held],
            actions=self._limiter.take_spent() if everywhere else {},
            everywhere=everywhere,
        )

    def answered(self, answer: Answer, now_ms: LoopMs) -> Outcome[C]:
        """The store has answered the exchange that was under way."""
        request, self._under_way = self._under_way, None
        assert request is not None  # noqa: S101 - one exchange at a time
        if not answer.is_known or not self._is_available:
            self._present_everything()
        self._is_available = True
        self.problem = None
        for player, until_full_ms in answer.until_full_ms.items():
            self._limiter.owe(player, until_full_ms, now_ms)
        admitted = [Admitted(*pair) for pair in zip(request.arrivals, answer.admissions, strict=True)]
        for waiting, admission in admitted:
            self._limiter.owe(waiting.player, admission.until_full_ms, now_ms)
        lost = [each for each in map(self._lost, answer.lost) if each is not None]
        for session, number in zip(request.held, answer.held, strict=True):
            if number:
                if session.client is not None:
                    session.number = number
                else:  # it left meanwhile
                    self._release_at(session, number)
            elif session.client is not None and session not in lost:
                lost.append(session)
        for session in lost:
            self._forget(session)
        return Outcome(admitted, lost)

    def failed(self, why: str) -> Outcome[C]:
        """The store did not answer the exchange that was under way. Those who wait are let in."""
        request, self._under_way = self._under_way, None
        assert request is not None  # noqa: S101
        self._is_available = False
        self.problem = why
        self._limiter.take_spent()
        self._counts.clear()
        self._held.clear()
        self._released.clear()
        waiting = [*request.arrivals, *self._arrivals.values()]
        self._arrivals.clear()
        return Outcome([Admitted(each, Admission(is_refused=False)) for each in waiting], [])

    def unclaim(self, waiting: Waiting[C], admission: Admission) -> None:
        """A client was let in, but is gone already."""
        if waiting.session is not None and admission.number:
            self._release(Holding(waiting.player, waiting.session, admission.number, admission.last_action))

    def _take_arrivals(self) -> tuple[list[Waiting[C]], Sequence[Arrival]]:
        """Take the first that wait. Of several of one player, each counts those before it."""
        connections = Counter[str]()
        for waiting in self._arrivals.values():
            connections[waiting.player] -= 1
        taken = [self._arrivals.popitem(last=False)[1] for _ in range(min(len(self._arrivals), ARRIVALS_MAX))]
        arrivals: list[Arrival] = []
        for waiting in taken:
            connections[waiting.player] += 1
            count = len(self._players.clients_of(waiting.player)) + connections[waiting.player]
            arrivals.append(Arrival(waiting.player, count, waiting.session))
        return taken, arrivals

    def _release_at(self, session: ActionSession[C], number: int) -> None:
        if number:
            self._release(Holding(session.player, session.name, number, session.in_log))

    def _release(self, holding: Holding) -> None:
        self._released[holding.player, holding.session] = holding

    def _forget(self, session: ActionSession[C]) -> None:
        session.number = 0
        self._held.pop(session, None)

    def _lost(self, loss: Loss) -> ActionSession[C] | None:
        """The session that was lost, if this worker still held it under an older number."""
        session = self._sessions.get((loss.player, loss.session))
        if session is None or session.client is None or not 0 < session.number < loss.number:
            return None
        return session

    def _present_everything(self) -> None:
        self._counts.update(dict.fromkeys(self._players.players))
        self._held.update((session, None) for session in self._sessions.values() if session.client is not None)

    def _take_round(self) -> None:
        """Present some of the sessions again, so that each is presented every `REFRESH_EVERY_MS`."""
        if not self._round:
            self._round = [session for session in self._sessions.values() if session.client is not None]
        step = 1 + len(self._round) * SYNC_MS // REFRESH_EVERY_MS
        for _ in range(min(step, len(self._round))):
            session = self._round.pop()
            if session.client is not None and session.number:
                self._held[session] = None


def _take(waiting: dict[K, None], most: int) -> list[K]:
    """Take the first ``most`` keys."""
    taken = list(islice(waiting, most))
    for each in taken:
        del waiting[each]
    return taken
