"""The upper limit for actions: aiokafka's idempotent producer with the same records, and nothing else.

Arguments: the broker's address, a topic, the number of players, the number of unacknowledged records of each, and the
bytes of their data. Each line of its standard input, SECONDS, makes it produce for that long and then print how many
records were acknowledged in a second. It ends with its input.
"""

import asyncio
import sys
import time
from collections import deque

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from touchline_loadtest.wire.event_values import event_value
from touchline_protocol.actions import ActionRecord, action_headers, encode_action


class ActionProducer:
    """Produces actions of one player after the other."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, players: int, data_bytes: int) -> None:
        self._producer = producer
        self._topic = topic
        self._players = players
        self._data_bytes = data_bytes
        self._produced = 0

    async def send_one(self) -> "asyncio.Future[object]":
        """Send one more record; the future is done when it is acknowledged."""
        self._produced += 1
        player = f"player-{self._produced % self._players}"
        action = ActionRecord(
            player=player,
            room="match:1",
            kind="tap",
            data=msgspec.Raw(event_value(time.monotonic_ns(), self._data_bytes)),
            session="0123456789abcdef",
            id=self._produced // self._players + 1,
            received_ms=int(time.time() * 1000),
            edge="edge",
        )
        future: asyncio.Future[object] = await self._producer.send(
            self._topic,
            encode_action(action),
            key=player.encode(),
            timestamp_ms=action.received_ms,
            headers=action_headers(action),
        )
        return future

    async def measure_rate_hz(self, seconds: float, waiting_max: int) -> float:
        """Produce for ``seconds``, with at most ``waiting_max`` unacknowledged records; returns how many a second were
        acknowledged.
        """
        waiting: deque[asyncio.Future[object]] = deque()
        acknowledged = 0
        began_s = time.monotonic()
        while time.monotonic() - began_s < seconds:
            waiting.append(await self.send_one())
            if len(waiting) >= waiting_max:
                await waiting.popleft()
                acknowledged += 1
        rate_hz = acknowledged / (time.monotonic() - began_s)
        await asyncio.gather(*waiting)
        return rate_hz


async def main(address: str, topic: str, players: int, unacked: int, data_bytes: int) -> None:
    """Produce whenever asked to."""
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", enable_idempotence=True, linger_ms=0)
    await producer.start()
    actions = ActionProducer(producer, topic, players, data_bytes)
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(f"{await actions.measure_rate_hz(float(line), players * unacked)}\n")
            sys.stdout.flush()
    finally:
        await producer.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
