"""The client and a real node in one process: acting and signing in, without a script."""

import asyncio
import time
from typing import Any

import jwt
import pytest

import touchline
from support.node_fixture import running_node
from support.waiting import eventually
from touchline import errors
from touchline_protocol.codecs import CODECS, CodecName

SECRET = "a test secret that is long enough"
SETTINGS: dict[str, Any] = {"auth": {"hs256_secret": SECRET, "leeway_s": 0}}


def token(player: str = "ada", *, life_s: float = 60, secret: str = SECRET) -> str:
    claims = {"sub": player, "rooms": ["*"], "act": ["score:*"], "exp": round(time.time() + life_s)}
    return jwt.encode(claims, secret, algorithm="HS256")


@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
async def test_actions_are_acknowledged_in_order_and_refused_with_their_codes(codec: CodecName) -> None:
    async with (
        running_node(**SETTINGS) as node,
        touchline.connect(node.url, token=token(), codec=codec, proxy=False) as client,
    ):
        assert client.player == "ada"
        acted = await asyncio.gather(*[client.act("score:1", "tap", {"n": n, "x": [0.5, None]}) for n in range(50)])
        assert [number for _, number in acted] == list(range(1, 51))
        for room, code in (("match:1", "action_forbidden"), ("nowhere:1", "action_bad_room")):
            with pytest.raises(errors.ActionRefused) as caught:
                await client.act(room, "tap")
            assert caught.value.code == code
        assert (await client.act("score:1", "tap")).id == 53


async def test_actions_beyond_the_rate_limit_are_taken_later() -> None:
    settings = SETTINGS | {"actions": {"per_second_max": 50, "burst": 1}}
    async with running_node(**settings) as node, touchline.connect(node.url, token=token(), proxy=False) as client:
        acted = await asyncio.gather(*[client.act("score:1", "tap") for _ in range(10)])
        assert [number for _, number in acted] == list(range(1, 11))


async def test_a_connection_outlives_its_token_if_there_are_newer_ones() -> None:
    lives_s = [8, 3600]  # the first one is renewed after 4 s
    made: list[str] = []

    def newest() -> str:
        made.append(token(life_s=lives_s[len(made)]))
        return made[-1]

    async with running_node(**SETTINGS) as node, touchline.connect(node.url, token=newest, proxy=False) as client:
        await eventually(lambda: len(made) == 2)
        assert (await client.act("score:1", "tap")).id == 1  # it is answered after the newer token
        with node.clocks_ahead(60):
            node.tick()
            assert (await client.act("score:1", "tap")).id == 2
        assert len(made) == 2  # no other connection was opened


async def test_an_expired_token_and_a_forged_one_end_the_client() -> None:
    async with running_node(**SETTINGS) as node:
        async with touchline.connect(node.url, token=token(life_s=600), proxy=False) as client:
            with node.clocks_ahead(601), pytest.raises(errors.ConnectionRefused) as caught:
                await anext(client.subscribe("score:1"))
            assert caught.value.code == 4002
        with pytest.raises(errors.ConnectionRefused) as caught:
            await touchline.connect(node.url, token=token(secret=SECRET[::-1]), proxy=False).__aenter__()
        assert caught.value.code == "token_signature"


async def test_a_client_without_a_token_cannot_act() -> None:
    async with running_node(**SETTINGS) as node, touchline.connect(node.url, proxy=False) as client:
        assert client.player is None
        with pytest.raises(errors.ActionRefused) as caught:
            await client.act("score:1", "tap")
        assert caught.value.code == "token_missing"


async def test_a_client_of_more_rooms_than_the_rate_allows_joins_them_all_in_the_end() -> None:
    rates = {"subscribes_burst": 100, "subscribes_per_second_max": 1_000.0}
    async with (
        running_node(rooms_max=100, rates=rates) as node,
        touchline.connect(node.url, proxy=False) as client,
    ):
        for _ in range(3):
            rooms = [client.subscribe(f"score:{number}") for number in range(100)]
            for room in rooms:
                await room.joined()
            for room in rooms:
                room.close()
        await eventually(lambda: not node.node.core.hub.rooms)
