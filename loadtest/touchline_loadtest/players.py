"""Players: connections with a token that act, as fast as they are answered or at a steady rate.

They live in the measuring process: to make an action and to read its ack costs a few microseconds of it.
"""

import asyncio
import time
from collections.abc import Sequence
from random import Random

import jwt

from . import wire
from .acting import Acting
from .clients import CrowdFailed
from .connection import HOST, Connection
from .publishing import NS

TOKEN_S = 3600
CONNECTING_MAX = 100
ANSWER_TIMEOUT_S = 30.0
POLL_S = 0.002
SEED = 1


def token_for(player: str, secret: str) -> str:
    """A JWT with which ``player`` may act in all rooms, signed with HS256."""
    claims = {"sub": player, "rooms": ["*"], "act": ["*"], "exp": int(time.time()) + TOKEN_S}
    return jwt.encode(claims, secret, algorithm="HS256")


class Player(Connection):
    """One of them. Above 0, ``unacked_wanted`` is how many actions it keeps waiting for their acks."""

    def __init__(self, acting: Acting, port: int, token: str) -> None:
        super().__init__(port, wire.hello(token))
        self.acting = acting
        self.unacked_wanted = 0

    def take(self, payload: bytes, now_ns: int) -> None:
        """Take an answer."""
        self.acting.take(payload, now_ns)

    def taken(self) -> None:
        """Go on."""
        if self.acting.unexpected:
            self.lose(f"the server said {self.acting.unexpected[-1]}")
        if self.acting.session:
            self.ready.set()
        self.fill()

    def fill(self) -> None:
        """Act until as many actions wait as are wanted."""
        free = self.unacked_wanted - self.acting.unacked
        if free > 0:
            self.act(free)

    def act(self, count: int = 1) -> None:
        """Do something so often, in one write."""
        now_ns = time.monotonic_ns()
        self.transport.write(b"".join(self.acting.act(now_ns) for _ in range(count)))


class Players:
    """All players of one server."""

    def __init__(self, port: int, secret: str, room: str, data_bytes: int) -> None:
        self.all: list[Player] = []
        self._port = port
        self._secret = secret
        self._room = room
        self._data_bytes = data_bytes

    @property
    def acked(self) -> int:
        """Actions that were acknowledged."""
        return sum(player.acting.acked for player in self.all)

    @property
    def latencies_ns(self) -> list[int]:
        """From an action to its ack, of all since `forget`."""
        return [latency for player in self.all for latency in player.acting.latencies_ns]

    def forget(self) -> None:
        """Begin with `latencies_ns` anew."""
        for player in self.all:
            player.acting.latencies_ns.clear()

    async def connect(self, count: int) -> None:
        """Let ``count`` more in.

        Raises:
            CrowdFailed: not all of them could.
        """
        names = [f"player-{len(self.all) + number}" for number in range(count)]
        for begin in range(0, count, CONNECTING_MAX):
            self.all += await asyncio.gather(*(self.one(name) for name in names[begin : begin + CONNECTING_MAX]))

    async def one(self, name: str) -> Player:
        """Let one in, who is not of `all`."""
        player = Player(Acting(name, self._room, self._data_bytes), self._port, token_for(name, self._secret))
        try:
            await asyncio.get_running_loop().create_connection(lambda: player, HOST, self._port)
        except OSError as error:
            raise CrowdFailed(f"a player could not connect: {error}") from error
        await player.until_ready("sign in")
        return player

    def keep_acting(self, unacked: int) -> None:
        """From now on let each player have so many actions unanswered; with 0 they act no more."""
        for player in self.all:
            player.unacked_wanted = unacked
            player.fill()

    async def act_steadily(self, rate_hz: float, count: int) -> float:
        """Act ``count`` times, ``rate_hz`` in a second, the players in turn; returns by how much it was late at worst.

        They take turns in a shuffled order, so that no two of them always act at once.
        """
        order = self.all.copy()
        Random(SEED).shuffle(order)  # noqa: S311 - nothing to guess here
        began_ns = time.monotonic_ns()
        late_ns = 0
        for number in range(count):
            due_ns = began_ns + int(number * NS / rate_hz)
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / NS)
            late_ns = max(late_ns, time.monotonic_ns() - due_ns)
            order[number % len(order)].act()
        return late_ns / NS

    async def until_answered(self) -> None:
        """Wait until every action is acknowledged.

        Raises:
            CrowdFailed: that took too long, or a player was lost.
        """
        await until_answered(self.all)

    async def close(self) -> None:
        """Leave."""
        for player in self.all:
            player.vanish()
        await asyncio.gather(*(player.gone.wait() for player in self.all))


async def until_answered(players: Sequence[Player]) -> None:
    """Wait until every action of some players is acknowledged.

    Raises:
        CrowdFailed: that took too long, or one of them was lost.
    """
    deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
    while True:
        lost = [player.lost for player in players if player.lost is not None]
        if lost:
            raise CrowdFailed(f"{len(lost)} players were lost, the first one since {lost[0]}")
        unacked = sum(player.acting.unacked for player in players)
        if not unacked:
            return
        if time.monotonic() > deadline_s:
            raise CrowdFailed(f"{unacked} actions were not answered in {ANSWER_TIMEOUT_S:g} s")
        await asyncio.sleep(POLL_S)
