"""Players who act through the Python SDK, and verdicts on some of them."""

import asyncio
import contextlib

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

import touchline
from cluster.scene import ARENA, SECRET, VERDICTS_TOPIC
from support.sdk_player import SdkPlayer
from touchline_loadtest.checks.actions import Verdict
from touchline_loadtest.clock import now_ms

BUFFER_ACTIONS = 2_000
PROBE_S = 30.0
RETRY_S = 0.5


class Player(SdkPlayer):
    """One player, who acts at a steady rate and does not wait for answers. ``banned``: it was refused for good."""

    def __init__(self, number: int, port: int, rate_hz: float) -> None:
        super().__init__(f"player-{number}", ARENA, SECRET, "json" if number % 2 else "msgpack")
        self.banned = False
        self._port = port
        self._interval_s = 1 / rate_hz

    async def play(self, over: asyncio.Event) -> None:
        """Act until ``over``, then wait for all answers; or until a ban."""
        with contextlib.suppress(touchline.errors.ConnectionFailed, BaseExceptionGroup):
            async with self._connected(self._port) as client, asyncio.TaskGroup() as group:
                number = 0
                while not over.is_set() and not self.banned:
                    number += 1
                    group.create_task(self._tap(client, number))
                    await asyncio.sleep(self._interval_s)

    async def probe(self, port: int) -> str:
        """Act once more, on a connection of its own to this edge. Returns the code of the answer, empty for an ack."""
        try:
            async with asyncio.timeout(PROBE_S), self._connected(port) as client:
                await client.act(ARENA, "probe", {"number": 0})
        except (touchline.errors.TouchlineError, TimeoutError) as error:
            return str(getattr(error, "code", type(error).__name__))
        return ""

    def _connected(self, port: int) -> touchline.Client:
        return self.client(f"ws://127.0.0.1:{port}/ws", actions_buffer_max=BUFFER_ACTIONS)

    async def _tap(self, client: touchline.Client, number: int) -> None:
        error = await self.act(client, number)
        self.banned = self.banned or isinstance(error, touchline.errors.ConnectionFailed)


async def pass_sentence(address: str, player: str, kind: str) -> Verdict:
    """Write a verdict, however long it takes, and return when it was in the log."""
    value = msgspec.json.encode({"kind": kind, "reason": "cluster run"})
    while True:
        producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", enable_idempotence=True)
        try:
            await producer.start()
            await producer.send_and_wait(VERDICTS_TOPIC, value, key=player.encode(), headers=[("key", b"verdict")])
        except (KafkaError, OSError):
            await asyncio.sleep(RETRY_S)
        else:
            return Verdict(player, kind, now_ms())
        finally:
            await producer.stop()
