"""Players: clients with genuine tokens, and helpers to act and to read the answers."""

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
"""Settings that require a token."""

RETRY_MS = 40


TOKEN_S = 3600.0
"""How long a token lasts: longer than any test. `RunningNode.clocks_ahead` makes it expire."""


def loose_limits(**changed: object) -> ActionsSettings:
    """Limits that no test reaches, except for those in ``changed``."""
    return ActionsSettings.model_validate(
        {"retry_s": RETRY_MS / 1000, "burst": 1000, "per_second_max": 10_000.0} | changed
    )


def token(player: str = "ada", *, lasts_s: float = TOKEN_S, key: Made | str = SECRET, **claims: Any) -> str:
    """A token for a player who may watch and act everywhere, unless ``claims`` say otherwise."""
    everywhere = {"rooms": ["*"], "act": ["*"]}
    return signed(key, sub=player, exp=time.time() + lasts_s, **(everywhere | claims))


def bearer(jwt: str) -> dict[str, str]:
    """The header that presents a token."""
    return {"Authorization": f"Bearer {jwt}"}


@contextlib.asynccontextmanager
async def player(
    node: RunningNode, name: str = "ada", *, session: str | None = None, codec: Codec = JSON, jwt: str | None = None
) -> AsyncIterator[tuple[Client, Welcome]]:
    """A player's client, after its welcome."""
    async with node.client(codec, greeted=False) as client:
        yield client, await greet(client, name, session=session, jwt=jwt)


async def greet(client: Client, name: str = "ada", *, session: str | None = None, jwt: str | None = None) -> Welcome:
    """Send a hello with a token, and return the welcome."""
    await client.send(Hello(token=jwt or token(name), session=session))
    return await client.expect(Welcome)


async def act(client: Client, *ids: int, room: str = "score:1", kind: str = "tap", **fields: Any) -> None:
    """Send actions with these ids, without waiting for answers."""
    for number in ids:
        await client.send(Action(id=number, room=room, kind=kind, **fields))


async def answers(client: Client, count: int) -> list[tuple[int, str]]:
    """The next answers to actions: each one's id, with its code or ``ack``."""
    return [outcome(await client.next()) for _ in range(count)]


async def answer(client: Client) -> tuple[int, str]:
    """The next answer to an action."""
    return outcome(await client.next())


async def refusal(client: Client) -> Nack:
    """The next message, which must be a nack."""
    return await client.expect(Nack)


def outcome(message: Message) -> tuple[int, str]:
    """An answer's id, with its code or ``ack``."""
    assert isinstance(message, Ack | Nack), message
    return message.id, "ack" if isinstance(message, Ack) else message.code


def acks(ids: Sequence[int]) -> list[tuple[int, str]]:
    """What `answers` returns if all of ``ids`` were acknowledged."""
    return [(number, "ack") for number in ids]


@contextlib.asynccontextmanager
async def watcher(node: RunningNode, headers: Mapping[str, str], room: str = "score:1") -> AsyncIterator[Stream]:
    """An event stream that was requested with these headers."""
    async with node.raw() as client:
        await client.send_bytes(request(target_of(room), headers))
        assert await client.status() == 200
        yield Stream(client)


async def logged_actions(log: BreakableLog) -> list[tuple[str, str, int]]:
    """The player, session and id of each action in the log, in order."""
    values = [json.loads(record.value or b"") for record in await log.records()]
    return [(value["player"], value["session"], value["id"]) for value in values]


async def logged_ids(log: BreakableLog) -> list[int]:
    """The id of each action in the log, in order."""
    return [number for _, _, number in await logged_actions(log)]
