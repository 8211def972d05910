"""Players who act through the Python SDK, a reader of their actions, and verdicts on some of the players."""

import asyncio
import contextlib
import time

import jwt
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

import touchline
from cluster.clients.patience import BACKOFF
from cluster.scene import ACTIONS_TOPIC, ARENA, SECRET, VERDICTS_TOPIC
from touchline import actions
from touchline_loadtest.checks.actions import UNANSWERED, Acted, ActionEntry, Verdict
from touchline_protocol.codecs import CodecName

BUFFER_ACTIONS = 2_000
PROBE_S = 30.0
RETRY_S = 0.5


def token_for(player: str) -> str:
    """A JWT with which a player may act."""
    claims = {"sub": player, "act": ["*"], "rooms": ["*"], "exp": int(time.time()) + 3600}
    return jwt.encode(claims, SECRET, algorithm="HS256")


class Player:
    """One player, who numbers what they do. ``acted`` has what became of each action."""

    def __init__(self, number: int, port: int, rate_hz: float) -> None:
        self.name = f"player-{number}"
        self.acted: list[Acted] = []
        self.banned = False
        self._port = port
        self._interval_s = 1 / rate_hz
        self._codec: CodecName = "json" if number % 2 else "msgpack"

    async def play(self, over: asyncio.Event) -> None:
        """Act until ``over``, then wait for all answers; or until a ban."""
        with contextlib.suppress(touchline.errors.ConnectionFailed, BaseExceptionGroup):
            async with self._client(self._port) as client, asyncio.TaskGroup() as group:
                number = 0
                while not over.is_set() and not self.banned:
                    number += 1
                    group.create_task(self._act(client, number))
                    await asyncio.sleep(self._interval_s)

    async def probe(self, port: int) -> str:
        """Act once more, on a connection of its own to this edge. Returns the code of the answer, empty for an ack."""
        try:
            async with asyncio.timeout(PROBE_S), self._client(port) as client:
                await client.act(ARENA, "probe", {"number": 0})
        except (touchline.errors.TouchlineError, TimeoutError) as error:
            return str(getattr(error, "code", type(error).__name__))
        return ""

    def _client(self, port: int) -> touchline.Client:
        return touchline.connect(
            f"ws://127.0.0.1:{port}/ws",
            token=token_for(self.name),
            codec=self._codec,
            retry_first=True,
            proxy=False,
            backoff=BACKOFF,
            actions_buffer_max=BUFFER_ACTIONS,
        )

    async def _act(self, client: touchline.Client, number: int) -> None:
        acted = Acted(self.name, number, UNANSWERED, time.time() * 1000, room=ARENA, kind="tap")
        self.acted.append(acted)
        try:
            receipt = await client.act(ARENA, "tap", {"number": number})
        except touchline.errors.ActionRefused as error:
            self.acted.append(acted._replace(code=error.code))
        except touchline.errors.TouchlineError as error:
            self.banned = self.banned or isinstance(error, touchline.errors.ConnectionFailed)
        else:
            self.acted.append(acted._replace(code="", session=receipt.session, id=receipt.id))


class Detector:
    """Reads the actions as cheat detectors do. ``seen`` has what was handed out."""

    def __init__(self, address: str, group: str) -> None:
        self.seen: list[ActionEntry] = []
        self._address = address
        self._group = group

    async def run(self) -> None:
        """Read until cancelled."""
        url = f"kafka://{self._address}"
        async with actions.read(url, group=self._group, topic=ACTIONS_TOPIC, start="beginning") as source:
            async for action in source:
                self.seen.append(
                    ActionEntry(action.player, action.session, action.id, action.kind, action.data["number"])
                )


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
            return Verdict(player, kind, time.time() * 1000)
        finally:
            await producer.stop()
