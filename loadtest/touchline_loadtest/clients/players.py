"""Players: connections with a token that act, either as fast as they are acknowledged or at a steady rate.

They live in the measuring process: creating an action and reading its ack takes only a few microseconds.
"""

import asyncio
import time
from collections.abc import Sequence
from random import Random

import jwt

from touchline_loadtest.checks.action_session import ActionSession
from touchline_loadtest.publish.pace import NS
from touchline_loadtest.wire.greeting import hello

from .connection import ClientConnection
from .errors import ClientsFailed

TOKEN_LIFETIME_S = 3600
CONNECTING_MAX = 100
ANSWER_TIMEOUT_S = 30.0
POLL_S = 0.002
SEED = 1


def token_for(player: str, secret: str) -> str:
    """A JWT, signed with HS256, that lets ``player`` act in all rooms."""
    claims = {"sub": player, "rooms": ["*"], "act": ["*"], "exp": int(time.time()) + TOKEN_LIFETIME_S}
    return jwt.encode(claims, secret, algorithm="HS256")


class Player(ClientConnection):
    """One player. While ``unacked_wanted`` is above 0, it keeps that many actions waiting for their acks."""

    def __init__(self, actions: ActionSession, port: int, token: str) -> None:
        super().__init__(port, hello(token))
        self.actions = actions
        self.unacked_wanted = 0

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """Check the answer."""
        self.actions.receive(payload, now_ns)

    def read_finished(self) -> None:
        """Note an unexpected answer, then act again if wanted."""
        if self.actions.unexpected:
            self.lose(f"the server sent {self.actions.unexpected[-1]}")
        if self.actions.session:
            self.ready.set()
        self.fill()

    def fill(self) -> None:
        """Act until ``unacked_wanted`` actions wait for their acks."""
        free = self.unacked_wanted - self.actions.unacked
        if free > 0:
            self.act(free)

    def act(self, count: int = 1) -> None:
        """Send ``count`` actions in one write."""
        now_ns = time.monotonic_ns()
        self.transport.write(b"".join(self.actions.next_action(now_ns) for _ in range(count)))


class Players:
    """The players of one server."""

    def __init__(self, port: int, secret: str, room: str, data_bytes: int) -> None:
        self.all: list[Player] = []
        self._port = port
        self._secret = secret
        self._room = room
        self._data_bytes = data_bytes

    @property
    def acked(self) -> int:
        """The number of acknowledged actions."""
        return sum(player.actions.acked for player in self.all)

    @property
    def latencies_ns(self) -> list[int]:
        """The times from an action to its ack since `clear_latencies`."""
        return [latency for player in self.all for latency in player.actions.latencies_ns]

    def clear_latencies(self) -> None:
        """Forget the latencies of the warm-up."""
        for player in self.all:
            player.actions.latencies_ns.clear()

    async def connect(self, count: int) -> None:
        """Add ``count`` players.

        Raises:
            ClientsFailed: some could not connect.
        """
        names = [f"player-{len(self.all) + number}" for number in range(count)]
        for begin in range(0, count, CONNECTING_MAX):
            self.all += await asyncio.gather(
                *(self.connect_one(name) for name in names[begin : begin + CONNECTING_MAX])
            )

    async def connect_one(self, name: str) -> Player:
        """Connect one player that is not added to `all`."""
        player = Player(ActionSession(name, self._room, self._data_bytes), self._port, token_for(name, self._secret))
        try:
            await player.open()
        except OSError as error:
            raise ClientsFailed(f"a player could not connect: {error}") from error
        await player.until_ready("sign in")
        return player

    def keep_acting(self, unacked: int) -> None:
        """Keep ``unacked`` actions of each player waiting for their acks from now on; 0 stops acting."""
        for player in self.all:
            player.unacked_wanted = unacked
            player.fill()

    async def act_steadily(self, rate_hz: float, count: int) -> float:
        """Send ``count`` actions at ``rate_hz``, from one player after the other; returns the worst delay in seconds.

        The order of the players is shuffled, so that no two of them always act right after each other.
        """
        order = self.all.copy()
        Random(SEED).shuffle(order)  # noqa: S311 - not a secret
        began_ns = time.monotonic_ns()
        late_ns = 0
        for number in range(count):
            due_ns = began_ns + int(number * NS / rate_hz)
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / NS)
            late_ns = max(late_ns, time.monotonic_ns() - due_ns)
            order[number % len(order)].act()
        return late_ns / NS

    async def until_answered(self) -> None:
        """Wait until the actions of all players are acknowledged.

        Raises:
            ClientsFailed: that took too long, or a player was lost.
        """
        await until_answered(self.all)

    async def close(self) -> None:
        """Disconnect all."""
        for player in self.all:
            player.vanish()
        await asyncio.gather(*(player.gone.wait() for player in self.all))


async def until_answered(players: Sequence[Player]) -> None:
    """Wait until the actions of some players are acknowledged.

    Raises:
        ClientsFailed: that took too long, or one of them was lost.
    """
    deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
    while True:
        lost = [player.lost for player in players if player.lost is not None]
        if lost:
            raise ClientsFailed(f"{len(lost)} players were lost; the first one: {lost[0]}")
        unacked = sum(player.actions.unacked for player in players)
        if not unacked:
            return
        if time.monotonic() > deadline_s:
            raise ClientsFailed(f"{unacked} actions were not answered in {ANSWER_TIMEOUT_S:g} s")
        await asyncio.sleep(POLL_S)
