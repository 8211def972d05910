"""The demo's server without a browser: tokens and what they allow, and how bots end."""

import asyncio
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest

import touchline
from demo.running_demo import DEADLINE_S, RunningDemo, running_demo
from support.node_fixture import LONGER_THAN_A_TEST_S
from touchline.errors import ActionRefused, ConnectionRefused
from touchline_demo import bots
from touchline_demo.referee import RULES
from touchline_protocol.actions import ActionRecord, action_headers, encode_action
from touchline_protocol.limits import RECENT_EVENTS_MAX
from touchline_server.config.tables import ActionsSettings, AuthSettings, FeedSettings
from touchline_server.core.log import Entry

SECRET = "a secret of thirty-two bytes and more"
KEPT_BY_A_PAGE = 20
"""Taps that a page keeps without a connection: `ACTIONS_MAX` in clients/demo/web/src/live/client.ts."""


async def until(client: touchline.Client, room: str, key: str, is_so: Any) -> dict[str, Any]:
    """Wait for an event of ``key`` in ``room`` that satisfies ``is_so``; recent events count. Returns its data."""
    async with asyncio.timeout(4 * DEADLINE_S):
        async for event in client.subscribe(room, last=RECENT_EVENTS_MAX):
            if event.key and event.key.startswith(key) and event.data is not None and is_so(event.data):
                return dict(event.data)
    raise AssertionError("the room ended")


async def test_matches_are_played_even_if_the_configuration_uses_their_feeds_and_topics() -> None:
    feeds = {"football": FeedSettings(topic="match-events"), "score": FeedSettings(topic="cheer-events")}
    async with running_demo(feeds=feeds, actions=ActionsSettings(topic="cheer-events-2")) as demo:
        topics = {name: feed.topic for name, feed in demo.demo.node.settings.feeds.items()}
        async with touchline.connect(demo.edge) as client:
            for room in (f"match:{demo.match_id}", f"score:{demo.match_id}", f"stats:{demo.match_id}"):
                async with asyncio.timeout(DEADLINE_S):
                    assert await anext(aiter(client.subscribe(room, last=1)))
    assert topics == {
        "football": "match-events",
        "score": "cheer-events",
        "match": "match-events-2",
        "stats": "stats-events",
        "cheer": "cheer-events-3",
        "cheatwatch": "cheatwatch-events",
    }


async def test_a_visitor_gets_a_unique_name_for_an_hour_and_can_only_play(demo: RunningDemo) -> None:
    one, other = await demo.token(), await demo.token()
    claims = jwt.decode(one, options={"verify_signature": False})
    assert claims["sub"] != jwt.decode(other, options={"verify_signature": False})["sub"]
    assert claims["exp"] - claims["iat"] == 3600
    async with touchline.connect(demo.edge, token=one) as client:
        assert client.player == claims["sub"]
        await client.act(f"cheer:{demo.match_id}", "tap", {"team": "home"})
        for room, kind, data, code in (
            (f"score:{demo.match_id}", "tap", {"team": "home"}, "action_forbidden"),
            (f"cheer:{demo.match_id}", "goal", {}, "action_kind_unknown"),
            (f"cheer:{demo.match_id}", "tap", {"team": "referee"}, "action_invalid"),
        ):
            with pytest.raises(ActionRefused) as refused:
                await client.act(room, kind, data)
            assert refused.value.code == code


async def test_a_visitor_with_a_token_gets_a_newer_one_for_the_same_player(demo: RunningDemo) -> None:
    token = await demo.token()
    player = jwt.decode(token, options={"verify_signature": False})["sub"]
    newer = await demo.token(token=token)
    assert jwt.decode(newer, options={"verify_signature": False})["sub"] == player
    forged = jwt.encode({"sub": player, "exp": 2**40}, "another secret of enough bytes, too")
    assert jwt.decode(await demo.token(token=forged), options={"verify_signature": False})["sub"] != player


@pytest.mark.parametrize("path", ["/demo/token", "/demo/bots"])
async def test_requests_that_other_sites_can_send_are_refused(demo: RunningDemo, path: str) -> None:
    elsewhere = "http://elsewhere.example"
    form, page = {"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Origin": elsewhere}
    for headers, status, code in (
        (form, 415, "not_json"),
        (form | {"Origin": elsewhere}, 403, "origin_refused"),
        (page, 403, "origin_refused"),
        (page | {"Host": "elsewhere.example"}, 403, "host_refused"),  # a name that leads here
    ):
        answer = await demo.http.post(path, content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    asked = await demo.http.options(path, headers={"Origin": elsewhere, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers


async def test_the_page_is_not_shown_under_a_foreign_name(demo: RunningDemo) -> None:
    for path in ("/", "/demo.json", "/assets/site.js"):
        assert (await demo.http.get(path, headers={"Host": "elsewhere.example"})).status_code == 403
        assert (await demo.http.get(path, headers={"Host": "10.0.0.1:8081"})).status_code == 200


async def test_the_site_may_load_its_own_files_alone_and_connect_to_its_edge_alone(demo: RunningDemo) -> None:
    edge = demo.demo.node.edge_port
    for host, name in (("127.0.0.1:8081", "127.0.0.1"), ("[::1]:8081", "[::1]"), ("localhost", "localhost")):
        answer = await demo.http.get("/", headers={"Host": host})
        policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
        assert policy.pop("connect-src") == f"'self' ws://{name}:{edge} http://{name}:{edge}"
        assert set(policy.values()) == {"'none'", "'self'"}
        assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
        assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        (b'{"cheat": "kind", "match": "1001"}', 400, "bad_request"),
        (b'{"cheat": "fast"}', 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b'{"cheat": "fast", "match": "7"}', 404, "unknown_match"),
        (b" " * 20_000, 413, "too_large"),
    ],
)
async def test_an_invalid_request_for_a_bot_is_refused_with_a_code(
    demo: RunningDemo, form: bytes, status: int, code: str
) -> None:
    answer = await demo.http.post("/demo/bots", content=form, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_bots_are_bounded(demo: RunningDemo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await demo.start_bot("reflexes")).status_code == 201
    monkeypatch.setattr(bots, "START_S", LONGER_THAN_A_TEST_S)
    busy = await demo.start_bot("reflexes")
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
    assert busy.json()["error"]["code"] == "too_soon"
    monkeypatch.setattr(bots, "START_S", 0.0)
    assert [(await demo.start_bot("reflexes")).status_code for _ in range(2)] == [201, 201]
    assert (await demo.start_bot("reflexes")).json()["error"]["code"] == "too_many_bots"


async def test_a_bot_is_found_judged_and_banned_and_the_panel_shows_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quick = tmp_path / "rules.toml"
    quick.write_text(RULES.read_text("utf-8").replace("verdict_s = 5.0\n", "verdict_s = 1.0\n"), "utf-8")
    monkeypatch.setattr("touchline_demo.referee.RULES", quick)
    async with running_demo() as demo, touchline.connect(demo.edge) as client:
        name = (await demo.start_bot("fast")).json()["player"]
        room = "cheatwatch:demo"
        bot = await until(client, room, f"bot.{name}", lambda data: data["ended"])
        assert (bot["ended"], bot["close"], bot["verdict"]["kind"]) == ("banned", 4503, "ban")
        assert bot["done"] > 60
        assert bot["refused"] > 10
        state = (await demo.http.get(f"/v1/rooms/{room}")).json()["state"]
    findings = [event["data"] for event in state if event["key"].startswith("finding.")]
    assert [(finding["player"], finding["rule"], finding["verdict"]["kind"]) for finding in findings] == [
        (name, "rate", "mute"),
        (name, "rate", "mute"),
        (name, "rate", "ban"),
    ]
    assert findings[0]["evidence"]["actions"] > 25
    assert capfd.readouterr().err == ""


async def test_taps_kept_during_a_lost_connection_are_counted_and_cause_no_finding(
    demo: RunningDemo,
) -> None:
    verdicts: list[Any] = []
    room = f"cheer:{demo.match_id}"
    token = await demo.token()
    async with touchline.connect(demo.edge, token=token, on_verdict=verdicts.append) as client:
        await asyncio.gather(*[client.act(room, "tap", {"team": "home"}) for _ in range(KEPT_BY_A_PAGE)])
        assert await until(client, room, "cheers", lambda data: data["home"] == KEPT_BY_A_PAGE)
        counts = await until(client, "cheatwatch:demo", "counts", lambda data: data["actions"] == KEPT_BY_A_PAGE)
        assert counts["findings"] == 0
    assert verdicts == []


async def test_a_secret_of_the_configuration_is_used() -> None:
    async with running_demo(auth=AuthSettings(hs256_secret=SECRET, audience="fans", issuer="us")) as demo:
        token = await demo.token()
        jwt.decode(token, SECRET, algorithms=["HS256"], audience="fans", issuer="us")
        async with touchline.connect(demo.edge, token=token) as client:
            await client.act(f"cheer:{demo.match_id}", "tap", {"team": "home"})


async def test_if_watching_needs_a_token_the_pages_token_is_enough() -> None:
    async with running_demo(auth=AuthSettings(mode="token", hs256_secret=SECRET)) as demo:
        with pytest.raises(ConnectionRefused):
            async with touchline.connect(demo.edge):
                pass
        async with touchline.connect(demo.edge, token=await demo.token()) as client:
            assert await until(client, f"score:{demo.match_id}", "clock", lambda data: data["minute"] >= 0)


async def test_duplicates_of_an_action_count_once(demo: RunningDemo) -> None:
    room = f"cheer:{demo.match_id}"
    cheer = msgspec.Raw(b'{"team":"away"}')
    entries = []
    for number in (1, 2, 1, 2, 3):
        record = ActionRecord("ada", room, "tap", cheer, "s", number, 1_700_000_000_000, "e")
        entries.append(Entry(b"ada", encode_action(record), action_headers(record)))
    entries.append(Entry(b"ada", b"no action"))
    await demo.demo.node.log.append("player-actions", entries)
    async with touchline.connect(demo.edge) as client:
        assert await until(client, room, "cheers", lambda data: data["away"] >= 3) == {"home": 0, "away": 3}
