"""The player store in memory: a fleet of workers within one process, by a clock that is handed in. Tests use it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from touchline_protocol.errors import StoreUnavailable
from touchline_server.core.players.player_store import Admission, Answer, Exchange, Holding, Loss

ALIVE_MS = 10_000
"""How long after its last sign of life a worker counts as alive."""


@dataclass
class _Session:
    number: int = 0
    worker: str | None = None
    last_action: int = 0


@dataclass
class _Worker:
    seen_ms: float
    connections: dict[str, int] = field(default_factory=dict)
    lost: list[Loss] = field(default_factory=list)


class MemoryPlayerFleet:
    """What all workers share. ``now_ms`` is the fleet's clock. While ``is_away``, nobody gets an answer."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self.now_ms = now_ms
        self.is_away = False
        self.claims = 0
        """All claims so far; it does not go back when everything else is lost."""
        self.workers: dict[str, _Worker] = {}
        self.sessions: dict[tuple[str, str], _Session] = {}
        self.full_ms: dict[str, float] = {}

    def worker(self, name: str) -> "MemoryPlayerStore":
        """The store object of one worker."""
        return MemoryPlayerStore(self, name)

    def clear(self) -> None:
        """Lose everything."""
        self.workers.clear()
        self.sessions.clear()
        self.full_ms.clear()

    def until_full_ms(self, player: str) -> int:
        """How long a player's bucket takes to be full."""
        return max(0, ceil(self.full_ms.get(player, 0) - self.now_ms()))


class MemoryPlayerStore:
    """The player store of one worker."""

    def __init__(self, fleet: MemoryPlayerFleet, name: str) -> None:
        self._fleet = fleet
        self._name = name

    async def exchange(self, exchange: Exchange) -> Answer:
        """See `PlayerStore.exchange`."""
        return self.exchange_now(exchange)

    async def close(self) -> None:
        """See `PlayerStore.close`."""
        if not self._fleet.is_away:
            self._fleet.workers.pop(self._name, None)

    def exchange_now(self, exchange: Exchange) -> Answer:
        """The same without a loop."""
        fleet = self._fleet
        if fleet.is_away:
            raise StoreUnavailable("the store is away")
        now_ms = fleet.now_ms()
        for name, worker in list(fleet.workers.items()):
            if worker.seen_ms <= now_ms - ALIVE_MS:
                del fleet.workers[name]
        is_known = self._name in fleet.workers
        mine = fleet.workers.setdefault(self._name, _Worker(now_ms))
        mine.seen_ms = now_ms
        for player, connections in exchange.connections.items():
            mine.connections[player] = connections
        for holding in exchange.released:
            self._release(holding)
        held = [self._hold(holding) for holding in exchange.held]
        for player, actions in exchange.actions.items():
            full_ms = max(fleet.full_ms.get(player, 0), now_ms)
            fleet.full_ms[player] = full_ms + actions * exchange.limits.interval_ms
        owed = {player: fleet.until_full_ms(player) for player in exchange.actions}
        admissions = [
            self._admit(mine, arrival.player, arrival.connections, arrival.session, exchange.limits.connections_max)
            for arrival in exchange.arrivals
        ]
        lost: list[Loss] = []
        if exchange.everywhere:
            lost, mine.lost = mine.lost, []
        return Answer(is_known, admissions, held, owed, lost)

    def _admit(self, mine: _Worker, player: str, connections: int, session: str | None, most: int) -> Admission:
        fleet = self._fleet
        others = (worker for name, worker in fleet.workers.items() if name != self._name)
        if connections + sum(worker.connections.get(player, 0) for worker in others) > most:
            return Admission(is_refused=True)
        mine.connections[player] = connections
        until_full_ms = fleet.until_full_ms(player)
        if session is None:
            return Admission(is_refused=False, until_full_ms=until_full_ms)
        kept = self._claim(player, session, 0)
        return Admission(False, kept.number, kept.last_action, until_full_ms)

    def _claim(self, player: str, name: str, last_action: int) -> _Session:
        kept = self._fleet.sessions.setdefault((player, name), _Session())
        self._fleet.claims += 1
        kept.number = self._fleet.claims
        owner = self._fleet.workers.get(kept.worker or "")
        if owner is not None and kept.worker != self._name:
            owner.lost.append(Loss(player, name, kept.number))
        kept.worker = self._name
        kept.last_action = max(kept.last_action, last_action)
        return kept

    def _hold(self, holding: Holding) -> int:
        if not holding.number:
            return self._claim(holding.player, holding.session, holding.last_action).number
        kept = self._fleet.sessions.setdefault((holding.player, holding.session), _Session())
        if kept.number > holding.number or (kept.number == holding.number and kept.worker != self._name):
            return 0
        kept.number, kept.worker = holding.number, self._name
        kept.last_action = max(kept.last_action, holding.last_action)
        return holding.number

    def _release(self, holding: Holding) -> None:
        kept = self._fleet.sessions.get((holding.player, holding.session))
        if kept is not None and kept.number == holding.number and kept.worker in (None, self._name):
            kept.worker = None
            kept.last_action = max(kept.last_action, holding.last_action)
