"""Players: really made tokens, and clients that act and hear what became of it."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from auth.signed import SECRET, Made, signed
from edge.logs import BreakableLog
from edge.streams import Stream, request, target_of
from support.node_fixture import Client, RunningNode
from touchline_protocol.codecs import JSON, Codec
from touchline_protocol.messages import Ack, Action, Hello, Message, Nack, Welcome
from touchline_server.config.tables import ActionsSettings, AuthSettings

AUTH = AuthSettings(hs256_secret=SECRET, leeway_s=0)
GATED = AuthSettings(hs256_secret=SECRET, leeway_s=0, mode="token")
"""Nobody is let in without a token."""

RETRY_MS = 40


TOKEN_S = 3600.0
"""How long a token lasts: longer than any test. `RunningNode.clocks_ahead` brings its end about."""


def often(**changed: object) -> ActionsSettings:
    """Limits that nobody meets, but for those that are ``changed``."""
    return ActionsSettings.model_validate(
        {"retry_s": RETRY_MS / 1000, "burst": 1000, "per_second_max": 10_000.0} | changed
    )


def token(player: str = "ada", *, lasts_s: float = TOKEN_S, key: Made | str = SECRET, **claims: Any) -> str:
    """A token of a player who may watch and act everywhere, unless ``claims`` say something else."""
    everywhere = {"rooms": ["*"], "act": ["*"]}
    return signed(key, sub=player, exp=time.time() + lasts_s, **(everywhere | claims))


def bearer(shown: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {shown}"}


@contextlib.asynccontextmanager
async def player(
    node: RunningNode, name: str = "ada", *, session: str | None = None, codec: Codec = JSON, shown: str | None = None
) -> AsyncIterator[tuple[Client, Welcome]]:
    """A player's client, greeted."""
    async with node.client(codec, greeted=False) as client:
        yield client, await greet(client, name, session=session, shown=shown)


async def greet(client: Client, name: str = "ada", *, session: str | None = None, shown: str | None = None) -> Welcome:
    """Say hello with a token."""
    await client.send(Hello(token=shown or token(name), session=session))
    return await client.expect(Welcome)


async def act(client: Client, *ids: int, room: str = "score:1", kind: str = "tap", **fields: Any) -> None:
    """Act under these ids, without waiting for answers."""
    for number in ids:
        await client.send(Action(id=number, room=room, kind=kind, **fields))


async def answers(client: Client, count: int) -> list[tuple[int, str]]:
    """The next answers to actions: each id, with its code or ``ack``."""
    return [told(await client.next()) for _ in range(count)]


async def answer(client: Client) -> tuple[int, str]:
    """The next answer to an action."""
    return told(await client.next())


async def refusal(client: Client) -> Nack:
    """The next message, which must be a nack."""
    return await client.expect(Nack)


def told(message: Message) -> tuple[int, str]:
    """An answer's id, with its code or ``ack``."""
    assert isinstance(message, Ack | Nack), message
    return message.id, "ack" if isinstance(message, Ack) else message.code


def acks(ids: Sequence[int]) -> list[tuple[int, str]]:
    """What `answers` has where all of ``ids`` were taken."""
    return [(number, "ack") for number in ids]


@contextlib.asynccontextmanager
async def watcher(node: RunningNode, headers: Mapping[str, str], room: str = "score:1") -> AsyncIterator[Stream]:
    """An event stream that was asked for with these headers."""
    async with node.raw() as client:
        await client.send_bytes(request(target_of(room), headers))
        assert await client.status() == 200
        yield Stream(client)


async def in_log(log: BreakableLog) -> list[tuple[str, str, int]]:
    """Player, session and id of the records, in order."""
    values = [json.loads(record.value or b"") for record in await log.records()]
    return [(value["player"], value["session"], value["id"]) for value in values]


async def ids_in_log(log: BreakableLog) -> list[int]:
    """The same, ids alone."""
    return [number for _, _, number in await in_log(log)]
