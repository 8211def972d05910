"""A reload of the demo's page goes on where it was: from its cursors, with all that it had shown."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, Route, WebSocket, expect

from demo.running_demo import RunningDemo
from demo.scripted_edge import ScriptedEdge
from demo.test_page_live import goal, happened, kick_off, score
from demo.test_page_match import shows_the_scores_of_the_log

Json = dict[str, Any]

ROOMS = ("score:1", "match:1", "stats:1", "cheer:1", "cheatwatch:demo")


async def play(edge: ScriptedEdge) -> None:
    """A match with a score, a timeline, a momentum chart, cheers and a bot."""
    await kick_off(edge, "1")
    await edge.publish("score:1", goal(1, 0), key="last_goal")
    await edge.publish("match:1", happened("Carry", 61))
    await edge.publish("match:1", happened("Shot", 62, shot={"outcome": {"name": "Goal"}}))
    half = {"number": 1, "first_minute": 0, "home": [0, 50, 9], "away": [30, 0, 0]}
    await edge.publish("stats:1", {"periods": [half]}, key="momentum")
    await edge.publish("cheer:1", {"home": 3, "away": 4}, key="cheers")
    bot = {"player": "bot-fast-1", "cheat": "taps too fast", "done": 48, "refused": 2, "ended": None, "close": None}
    await edge.publish("cheatwatch:demo", bot | {"verdict": None}, key="bot.bot-fast-1")


async def shows_the_match(page: Page, minutes: list[int]) -> None:
    await expect(page.locator("#detail-heading")).to_have_text("Alder Vale 1\u20130 Birch End")
    await expect(page.locator(".card .goals")).to_have_text(["1", "0"])
    await expect(page.locator(".card .last-goal")).to_contain_text("Cy Wood 63'")
    await expect(page.locator("#list .minute")).to_have_text([f"{minute}'" for minute in minutes])
    await expect(page.locator(".momentum-chart .home[height]")).to_have_count(2)
    await expect(page.locator("#cheer-away .cheer-count")).to_have_text("4")
    await expect(page.locator("#bots li")).to_have_count(1)


async def test_a_reload_shows_the_same_match_and_receives_only_what_it_missed(edge: ScriptedEdge, page: Page) -> None:
    await play(edge)
    await page.goto(edge.url)
    await shows_the_match(page, [62, 61])
    await edge.publish("match:1", happened("Carry", 63))
    await shows_the_match(page, [63, 62, 61])
    await page.locator("#key-only").check()
    await page.goto("about:blank")
    await edge.until(lambda: not edge.connections)
    ends = {room: edge.rooms[room][-1]["offset"] for room in ROOMS}
    await edge.publish("match:1", happened("Shot", 64, shot={"outcome": {"name": "Saved"}}))
    await page.go_back()
    await expect(page.locator("#list .minute")).to_have_text(["64'", "62'"])
    await page.locator("#key-only").uncheck()
    await shows_the_match(page, [64, 63, 62, 61])
    for room in ROOMS:
        resumed = edge.subscribes(room)[-1]
        assert (resumed["epoch"], resumed["after"]) == ("first", ends[room]), room
    await expect(page.locator("#events")).to_have_text("1")
    await expect(page.locator("#gaps")).to_have_text("0")


async def test_a_reload_shows_what_the_page_had_before_the_server_answers(edge: ScriptedEdge, page: Page) -> None:
    await play(edge)
    await page.goto(edge.url)
    await shows_the_match(page, [62, 61])
    edge.is_silent = True
    await page.reload()
    await shows_the_match(page, [62, 61])
    await expect(page.locator("#status")).to_have_text("connecting")


async def test_a_reload_after_the_log_was_replaced_begins_again(edge: ScriptedEdge, page: Page) -> None:
    await play(edge)
    await page.goto(edge.url)
    await shows_the_match(page, [62, 61])
    edge.restart_rooms("second")
    await edge.publish("score:1", score(0, 2), key="score", kept_back=True)
    for minute in (1, 2):
        await edge.publish("match:1", happened("Carry", minute), kept_back=True)
    await page.reload()
    await expect(page.locator("#list .minute")).to_have_text(["2'", "1'"])
    await expect(page.locator(".card .goals")).to_have_text(["0", "2"])
    await expect(page.locator(".card .last-goal")).to_have_text("No goals yet")
    await expect(page.locator("#bots li")).to_have_count(0)
    assert len(edge.subscribes("match:1")) == 2


async def test_a_reload_with_another_match_begins_with_its_recent_events(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1", "2")
    await edge.publish("match:1", happened("Carry", 61))
    await edge.publish("match:2", happened("Carry", 7))
    await page.goto(f"{edge.url}#1")
    await expect(page.locator("#list .minute")).to_have_text(["61'"])
    await page.goto("about:blank")
    await page.goto(f"{edge.url}#2")
    await expect(page.locator("#list .minute")).to_have_text(["7'"])
    assert "after" not in edge.subscribes("match:2")[-1]


@pytest.mark.parametrize("entry", ["{", '{"id":"1","cursor":"first.5","events":[7]}'])
async def test_a_damaged_storage_counts_as_an_empty_one(edge: ScriptedEdge, page: Page, entry: str) -> None:
    await play(edge)
    await page.add_init_script(f"for (const key of Object.keys(sessionStorage)) sessionStorage[key] = {entry!r}")
    await page.goto(edge.url)
    await shows_the_match(page, [62, 61])
    await page.reload()
    await shows_the_match(page, [62, 61])


async def test_a_reload_plays_as_the_same_player_until_that_one_is_banned(edge: ScriptedEdge, page: Page) -> None:
    forms: list[Any] = []

    async def issue_token(route: Route) -> None:
        forms.append(route.request.post_data_json)
        await route.fulfill(json={"token": forms[-1].get("token", f"player-{len(forms)}")})

    await kick_off(edge, "1")
    await page.route("**/demo/token", issue_token)
    await page.goto(edge.url)
    await expect(page.locator("#word")).to_contain_text("You play as player-1")
    await page.reload()
    await expect(page.locator("#word")).to_contain_text("You play as player-1")
    await edge.disconnect(4503)
    await expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    await page.reload()
    await expect(page.locator("#word")).to_contain_text("You play as player-3")
    assert forms == [{}, {"token": "player-1"}, {}]


@pytest.mark.long
async def test_after_a_reload_a_whole_server_sends_only_what_the_page_lacks(demo: RunningDemo, page: Page) -> None:
    """The messages of each socket are kept apart: the old page may still receive some after `reload` was called."""
    traffic: list[tuple[list[Json], list[Json]]] = []

    def listen(socket: WebSocket) -> None:
        sent: list[Json] = []
        received: list[Json] = []
        socket.on("framesent", lambda frame: sent.append(json.loads(frame)))
        socket.on("framereceived", lambda frame: received.append(json.loads(frame)))
        traffic.append((sent, received))

    page.on("websocket", listen)
    await page.goto(f"{demo.page}#{demo.match_id}")
    rows = page.locator("#list li")
    await expect(rows.nth(9)).to_be_visible()
    await expect(page.locator(".momentum-chart [height].home, .momentum-chart [height].away").first).to_be_attached()
    seen = await rows.all_text_contents()
    before = len(traffic)
    await page.reload()
    await expect(page.locator("#status")).to_have_text("live")
    await expect(rows.nth(len(seen) + 2)).to_be_attached()  # and newer ones
    assert (await rows.all_text_contents())[-len(seen) :] == seen
    await shows_the_scores_of_the_log(page, demo)
    sent, received = traffic[before]
    asked = {
        room["room"]: room["after"] for message in sent if message["type"] == "subscribe" for room in message["rooms"]
    }
    assert {f"{feed}:{demo.match_id}" for feed in ("score", "match", "stats", "cheer")} < set(asked)
    answers = [message for message in received if message["type"] == "subscribed"]
    assert {(answer["room"], answer["recovered"], answer.get("state")) for answer in answers} == {
        (room, True, None) for room in asked
    }
    events = [message for message in received if message["type"] == "event"]
    assert events
    assert [event for event in events if event["offset"] <= asked[event["room"]]] == []
