"""Tokens at the edge: which are accepted, what they allow, and for how long."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from auth.signed import KEYS, SECRET, forged, forged_hs256, jwks, make, signed, written
from edge.players import AUTH, GATED, TOKEN_S, act, answers, bearer, greet, player, refusal, token, watcher
from edge.streams import Stream, request, response_to, target_of
from support.node_fixture import RunningNode, running_node
from support.waiting import DEADLINE_S, eventually
from touchline_protocol import codes
from touchline_protocol.messages import (
    Error,
    Event,
    Hello,
    Refresh,
    Refreshed,
    RoomRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from touchline_server.config.tables import AuthSettings

SOON_S = 600.0
"""A shorter life of a token, still longer than any test."""


@pytest.fixture
async def gated() -> AsyncIterator[RunningNode]:
    """A node that requires tokens."""
    async with running_node(auth=GATED) as running:
        yield running


@pytest.fixture
async def open_to_all() -> AsyncIterator[RunningNode]:
    """A node where anybody may watch without a token."""
    async with running_node(auth=AUTH) as running:
        yield running


def claims_now(**changed: Any) -> dict[str, Any]:
    return {"sub": "ada", "exp": time.time() + 60, "rooms": ["*"]} | changed


def changed_body() -> str:
    header, _, signature = token().split(".")
    body = base64.urlsafe_b64encode(b'{"sub":"eve","exp":4000000000}').rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "no JWT": (lambda: "not.a.token", "token_malformed"),
    "one part": (lambda: "x", "token_malformed"),
    "no sub": (lambda: signed(SECRET, sub=None, exp=time.time() + 60), "token_malformed"),
    "no exp": (lambda: signed(SECRET, exp=None), "token_malformed"),
    "a changed body": (changed_body, "token_signature"),
    "another's secret": (lambda: token(key="another secret, which is long enough"), "token_signature"),
    "alg none": (lambda: forged({"alg": "none"}, claims_now()), "token_unsigned"),
    "alg None": (lambda: forged({"alg": "nOnE"}, claims_now()), "token_unsigned"),
    "a key of no kind that is here": (lambda: token(key=KEYS["ES256"]), "token_algorithm"),
    "signed with the public key": (lambda: forged_hs256(KEYS["RS256"].pem, body=claims_now()), "token_signature"),
    "expired": (lambda: token(lasts_s=-1), "token_expired"),
    "not valid yet": (lambda: token(nbf=time.time() + 30), "token_not_yet_valid"),
    "made in the future": (lambda: token(iat=time.time() + 30), "token_not_yet_valid"),
    "for others": (lambda: token(aud="else"), "token_audience"),
    "from others": (lambda: token(aud="here", iss="else"), "token_issuer"),
}


@pytest.mark.parametrize("mode", ["open", "token"])
async def test_every_invalid_token_is_refused_with_its_code_wherever_it_is_presented(mode: Any, tmp_path: Path) -> None:
    auth = AuthSettings(
        mode=mode,
        hs256_secret=SECRET,
        public_keys=[written(tmp_path, KEYS["RS256"])],
        audience="here",
        issuer="us",
        leeway_s=0,
    )
    async with running_node(auth=auth) as node:
        for why, (make_it, code) in REFUSED.items():
            jwt = make_it()
            async with node.client(greeted=False) as client:
                await client.send(Hello(token=jwt))
                assert (await client.expect(Error)).code == code, why
                assert await client.closed() == (4502, "unauthorized"), why
            stream = await response_to(node, request(target_of(), bearer(jwt)))
            assert (stream.status, stream.error["code"]) == (401, code), why
            assert stream.headers["www-authenticate"] == f'bearer error="invalid_token", error_description="{code}"'
            async with node.raw() as raw:
                await raw.request(headers=bearer(jwt))
                assert await raw.status() == 401, why
                assert (
                    f'WWW-Authenticate: Bearer error="invalid_token", error_description="{code}"' in raw.response_head
                )
        async with node.client(greeted=False) as client:
            assert (await greet(client, jwt=token(aud="here", iss="us"))).player == "ada"
        async with node.client(greeted=False) as client:
            assert (await greet(client, jwt=token(key=KEYS["RS256"], aud=["x", "here"], iss="us"))).player == "ada"
        await eventually(lambda: node.node.core.connections == 0)
        assert len(node.node.core.access._players) == 0


async def test_a_token_with_an_unknown_key_gets_a_close_code_that_allows_a_retry(tmp_path: Path) -> None:
    first, second = make("EdDSA"), make("EdDSA")
    file = tmp_path / "keys.json"
    file.write_bytes(jwks(first=first))
    auth = AuthSettings(jwks=str(file), leeway_s=0, jwks_refresh_s=0.05)
    async with running_node(auth=auth) as node:
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=signed(second, "second", exp=time.time() + 60)))
            assert (await client.expect(Error)).code == "token_key_unknown"
            assert await client.closed() == (4003, "token_key_unknown")
        stream = await response_to(node, request(target_of(), bearer(signed(second, "second", exp=time.time() + 60))))
        assert (stream.status, stream.error["code"]) == (401, "token_key_unknown")
        assert int(stream.headers["retry-after"]) >= 1
        browser = bearer(signed(second, "second", exp=time.time() + 60)) | {"Accept": "text/event-stream"}
        async with node.raw() as raw:  # EventSource gives up for good at any status but 200
            await raw.send_bytes(request(target_of(), browser))
            assert await raw.status() == 200
            assert (await Stream(raw).expect(Error)).code == "token_key_unknown"
        file.write_bytes(jwks(first=first, second=second))
        async with asyncio.timeout(DEADLINE_S):
            while True:
                async with node.client(greeted=False) as client:
                    await client.send(Hello(token=signed(second, "second", sub="bob", exp=time.time() + 60)))
                    answer = await client.next()
                    if isinstance(answer, Welcome):
                        break
        assert answer.player == "bob"


async def test_a_server_that_requires_tokens_refuses_clients_without_one(gated: RunningNode) -> None:
    async with gated.client(greeted=False) as client:
        await client.send(Hello())
        assert (await client.expect(Error)).code == "token_missing"
        assert await client.closed() == (4502, "unauthorized")
    stream = await response_to(gated, request(target_of()))
    assert (stream.status, stream.error["code"]) == (401, "token_missing")
    assert stream.headers["www-authenticate"] == "bearer"
    basic = await response_to(gated, request(target_of(), {"Authorization": "Basic YTpi"}))
    assert (basic.status, basic.error["code"]) == (401, "token_missing")


async def test_a_token_in_the_url_is_ignored(gated: RunningNode, open_to_all: RunningNode) -> None:
    query = f"token={token()}&access_token={token()}"
    async with gated.raw() as raw:
        await raw.request(f"/ws?{query}")
        assert await raw.status() == 101
        await raw.send(Hello())
        answer = await raw.next()
        assert isinstance(answer, Error)
        assert answer.code == "token_missing"
    assert (await response_to(gated, request(target_of(query=query)))).status == 401
    async with open_to_all.raw() as raw:
        await raw.request(f"/ws?{query}")
        assert await raw.status() == 101
        await raw.send(Hello())
        welcome = await raw.next()
        assert isinstance(welcome, Welcome)
        assert welcome.player is None


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER  {} "])
async def test_the_header_is_used_if_hello_has_no_token(gated: RunningNode, header: str) -> None:
    async with gated.raw() as raw:
        await raw.request(headers={"Authorization": header.format(token("bob"))})
        assert await raw.status() == 101
        await raw.send(Hello())
        welcome = await raw.next()
        assert isinstance(welcome, Welcome)
        assert welcome.player == "bob"


async def test_the_token_in_hello_takes_precedence_over_the_header(gated: RunningNode) -> None:
    headers = bearer(token("bob"))
    async with gated.client(greeted=False, additional_headers=headers) as client:
        assert (await greet(client, "ada")).player == "ada"
        assert set(gated.node.core.access._players._clients) == {"ada"}
    async with gated.client(greeted=False, additional_headers=headers) as client:
        await client.send(Hello(token=token(lasts_s=-5)))
        assert (await client.expect(Error)).code == "token_expired"
        assert await client.closed() == (4502, "unauthorized")


async def test_two_authorization_headers_are_refused(gated: RunningNode) -> None:
    line = f"Authorization: Bearer {token()}\r\n"
    answer = await response_to(gated, request(target_of()).replace(b"\r\n\r\n", f"\r\n{line}{line}\r\n".encode()))
    assert (answer.status, answer.error["code"]) == (401, "token_malformed")


async def test_a_token_that_expires_before_hello_closes_the_connection(gated: RunningNode) -> None:
    async with gated.client(greeted=False, additional_headers=bearer(token())) as client:
        with gated.clocks_ahead(TOKEN_S):
            await client.send(Hello())
            assert isinstance(await client.next(), Welcome)
            assert await client.closed() == (4002, "token_expired")


async def test_a_server_without_keys_refuses_a_token_in_hello_and_ignores_the_header(
    node: RunningNode,
) -> None:
    async with node.client(greeted=False) as client:
        await client.send(Hello(token=token()))
        assert (await client.expect(Error)).code == "token_algorithm"
        assert await client.closed() == (4502, "unauthorized")
    async with node.client(additional_headers=bearer("meant for somebody else")) as client:
        await act(client, 1)
        assert (await refusal(client)).code == "token_missing"


async def test_an_anonymous_client_may_watch_an_open_server_but_not_act(open_to_all: RunningNode) -> None:
    await open_to_all.publish("score:1", 1)
    async with open_to_all.client() as client:
        await client.join("score:1")
        await act(client, 1)
        nack = await refusal(client)
        assert (nack.id, nack.code, nack.retry_ms) == (1, "token_missing", None)
        await open_to_all.publish("score:1", 2)
        await client.expect(Event)
    async with watcher(open_to_all, {}) as stream:
        await stream.expect(Subscribed)


async def test_a_server_that_requires_tokens_enforces_their_rooms(gated: RunningNode) -> None:
    jwt = token(rooms=["score:1", "match:*"])
    async with player(gated, jwt=jwt) as (client, _):
        rooms = ["score:1", "match:9", "score:2", "score:11"]
        await client.send(Subscribe(rooms=[RoomRequest(room=room) for room in rooms], id=4))
        answers_by_room = {
            message.room: message for message in [await client.next() for _ in rooms] if hasattr(message, "room")
        }
        assert [type(answers_by_room[room]) for room in rooms] == [Subscribed, Subscribed, Error, Error]
        error = answers_by_room["score:2"]
        assert isinstance(error, Error)
        assert (error.code, error.id) == ("forbidden", 4)
    async with watcher(gated, bearer(jwt)) as stream:
        await stream.expect(Subscribed)
    refused = await response_to(gated, request(target_of("score:2"), bearer(jwt)))
    assert (refused.status, refused.error["code"]) == (403, "forbidden")
    unknown = await response_to(gated, request(target_of("chat:2"), bearer(jwt)))
    assert (unknown.status, unknown.error["code"]) == (404, "unknown_feed")


async def test_a_token_without_rooms_may_watch_nothing_on_a_server_that_requires_tokens(gated: RunningNode) -> None:
    async with player(gated, jwt=token(rooms=None)) as (client, _):
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        assert (await client.expect(Error)).code == "forbidden"


async def test_an_open_server_does_not_enforce_the_rooms_of_tokens(open_to_all: RunningNode) -> None:
    jwt = token(rooms=["score:2"])
    async with player(open_to_all, jwt=jwt) as (client, _):
        await client.join("score:1")
        await client.send(Refresh(token=token(rooms=None)))
        await client.expect(Refreshed)
        await client.leave("score:1")
    async with watcher(open_to_all, bearer(jwt)) as stream:
        await stream.expect(Subscribed)


async def test_an_expired_token_closes_its_connection_and_its_stream(gated: RunningNode) -> None:
    jwt = token()
    async with player(gated, jwt=jwt) as (client, _), watcher(gated, bearer(jwt)) as stream:
        with gated.clocks_ahead(TOKEN_S - SOON_S):
            gated.tick()
            await act(client, 1)
            assert await answers(client, 1) == [(1, "ack")]
        with gated.clocks_ahead(TOKEN_S):
            assert await client.closed() == (4002, "token_expired")
            await stream.rest()
            assert stream.parser.comments[-1] == " close 4002 token_expired"
    await eventually(lambda: gated.node.core.connections == 0)
    access = gated.node.core.access
    assert (len(access._players), len(access._expiry._holders)) == (0, 0)


async def test_a_refreshed_token_keeps_the_connection_open(gated: RunningNode) -> None:
    async with player(gated, jwt=token(lasts_s=SOON_S)) as (client, welcome):
        await client.join("score:1")
        await client.send(Refresh(token=token(), id=8))
        refreshed = await client.expect(Refreshed)
        assert welcome.expires is not None
        assert refreshed.id == 8
        assert refreshed.expires >= welcome.expires + (TOKEN_S - SOON_S) * 1000
        with gated.clocks_ahead(2 * SOON_S):
            gated.tick()
            await act(client, 1)
            assert await answers(client, 1) == [(1, "ack")]


async def test_a_newer_token_that_expires_sooner_also_replaces_the_old_one(gated: RunningNode) -> None:
    async with player(gated) as (client, _):
        await client.send(Refresh(token=token(lasts_s=SOON_S)))
        await client.expect(Refreshed)
        with gated.clocks_ahead(SOON_S):
            assert await client.closed() == (4002, "token_expired")


@pytest.mark.parametrize(
    ("jwt", "code"),
    [
        (lambda: token("bob"), "token_player"),
        (lambda: token(lasts_s=-1), "token_expired"),
        (lambda: token(key="another secret, which is long enough"), "token_signature"),
        (lambda: "nonsense", "token_malformed"),
    ],
)
async def test_the_old_token_stays_valid_after_a_refused_refresh(
    gated: RunningNode, jwt: Callable[[], str], code: str
) -> None:
    async with player(gated, jwt=token(rooms=["score:1"])) as (client, _):
        await client.join("score:1")
        await client.send(Refresh(token=jwt(), id=6))
        error = await client.expect(Error)
        assert (error.code, error.id, error.room) == (code, 6, None)
        await act(client, 1)
        assert await answers(client, 1) == [(1, "ack")]
        await client.leave("score:1")
        await client.join("score:1")


async def test_an_anonymous_client_cannot_become_a_player(open_to_all: RunningNode) -> None:
    async with open_to_all.client() as client:
        await client.send(Refresh(token=token()))
        assert (await client.expect(Error)).code == "token_player"
        await act(client, 1)
        assert (await refusal(client)).code == "token_missing"


async def test_a_refresh_leaves_rooms_that_the_new_token_does_not_cover(gated: RunningNode) -> None:
    async with player(gated) as (client, _):
        for room in ("score:1", "score:2", "match:1"):
            await client.join(room)
        await client.send(Refresh(token=token(rooms=["score:*"], act=["score:1"]), id=2))
        error = await client.expect(Error)
        assert (error.code, error.room, error.id) == ("forbidden", "match:1", None)
        await client.expect(Refreshed)
        await gated.publish("match:1", "not for her")
        await gated.publish("score:2", "for her")
        assert (await client.expect(Event)).data == "for her"
        await act(client, 1)
        await act(client, 2, room="score:2")
        assert sorted(await answers(client, 2)) == [(1, "ack"), (2, "action_forbidden")]
        await client.send(Subscribe(rooms=[RoomRequest(room="match:1")]))
        assert (await client.expect(Error)).code == "forbidden"


async def test_a_malformed_hello_gets_an_error_before_the_close(gated: RunningNode) -> None:
    for payload in (
        b'{"type":"hello","token":""}',
        b'{"type":"hello","token":7}',
        b'{"type":"hello","session":"a b"}',
        b'{"type":"hello","session":"' + b"x" * 65 + b'"}',
        b'{"type":"hello","token":"' + b"x" * 8193 + b'"}',
        b'{"type":"action","id":1,"room":"score:1","kind":1}',
    ):
        async with gated.client(greeted=False) as client:
            await client.send_bytes(payload)
            assert (await client.expect(Error)).code == "bad_message"
            assert await client.closed() == (codes.HELLO_EXPECTED.code, "hello_expected")


async def test_a_stream_from_another_origin_may_present_a_token() -> None:
    async with running_node(auth=GATED, origins=["https://app.example"]) as node:
        headers = {"Origin": "https://app.example"}
        preflight = await response_to(node, request(target_of(), headers, method="OPTIONS"))
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        refused = await response_to(node, request(target_of(), headers))
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "https://app.example")
        async with watcher(node, headers | bearer(token())) as stream:
            await stream.expect(Subscribed)


async def test_leaving_a_room_that_a_refresh_already_left_is_an_error(gated: RunningNode) -> None:
    async with player(gated) as (client, _):
        await client.join("score:1")
        await client.send(Refresh(token=token(rooms=None)))
        await client.expect(Error)
        await client.expect(Refreshed)
        await client.send(Unsubscribe(rooms=["score:1"]))
        assert (await client.expect(Error)).code == "not_subscribed"
