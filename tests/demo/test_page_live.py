"""The demo's page in a real browser with a scripted edge: what a visitor sees, and what the edge receives."""

import re
from typing import Any

from playwright.async_api import Page, expect

from demo.scripted_edge import DEADLINE_S, ScriptedEdge
from matches.known import MADE_UP
from touchline_demo.matches.statsbomb import read_match

PHONE = {"width": 390, "height": 844}

expect.set_options(timeout=DEADLINE_S * 1000)


def score(home_goals: int, away_goals: int) -> dict[str, Any]:
    return {"home": {"name": "Alder Vale", "goals": home_goals}, "away": {"name": "Birch End", "goals": away_goals}}


def goal(home_goals: int, away_goals: int) -> dict[str, Any]:
    scored = {"team": "Birch End", "player": "Cy Wood", "minute": 63, "own_goal": False}
    return scored | {"score": {"home": home_goals, "away": away_goals}}


def happened(kind: str, minute: int = 1, player: str | None = "Ana Field", **details: Any) -> dict[str, Any]:
    event = {"type": {"name": kind}, "team": {"name": "Alder Vale"}, "minute": minute, "second": 0, "period": 1}
    return event | ({"player": {"name": player}} if player else {}) | details


async def kick_off(edge: ScriptedEdge, *matches: str) -> None:
    """Matches in progress, at one to nil."""
    edge.matches = list(matches)
    for match in matches:
        await edge.publish(f"score:{match}", score(1, 0), key="score")
        await edge.publish(f"score:{match}", {"number": 2, "name": "Second half", "playing": True}, key="period")
        await edge.publish(f"score:{match}", {"period": 2, "minute": 62, "second": 3}, key="clock")


async def test_a_card_shows_teams_score_clock_and_period_from_the_rooms_state(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1", "2")
    await edge.publish("score:1", goal(1, 0), key="last_goal")
    edge.attribution = "Data provided by StatsBomb"
    await page.goto(edge.url)
    cards = page.locator(".card")
    await expect(cards).to_have_count(2)
    for text in ("Second half", "62'", "Alder Vale", "Birch End", "Cy Wood 63'"):
        await expect(cards.first).to_contain_text(text)
    await expect(cards.first.locator(".goals")).to_have_text(["1", "0"])
    await expect(page.locator("#status")).to_have_text("live")
    await expect(page.locator("#attribution")).to_have_text("Data provided by StatsBomb")
    await expect(cards.first).not_to_have_class(re.compile("goal"))
    await expect(page.locator("#announcer")).to_be_empty()


async def test_a_goal_changes_the_score_and_is_celebrated_and_announced(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1", "2")
    await page.goto(edge.url)
    await expect(page.locator("#status")).to_have_text("live")
    await edge.until(lambda: bool(edge.subscribes("score:2")))
    await edge.publish("score:2", score(1, 1), key="score")
    await edge.publish("score:2", goal(1, 1), key="last_goal")
    card = page.locator(".card").nth(1)
    await expect(card.locator(".goals")).to_have_text(["1", "1"])
    await expect(card).to_have_class(re.compile(r"\bgoal\b"))
    announced = "Goal for Birch End by Cy Wood, minute 63. Alder Vale 1, Birch End 1."
    await expect(page.locator("#announcer")).to_have_text(announced)
    await expect(page.locator("#latency")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(page.locator("#events")).to_have_text("2")


async def test_the_events_of_a_chosen_match_are_listed_in_words_newest_first(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1", "2")
    await edge.publish("match:2", happened("Pass", 7) | {"pass": {"recipient": {"name": "Bo Stone"}}})
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    await page.locator(".card").nth(1).click()
    rows = page.locator("#list li")
    await expect(rows).to_have_text(["7'Ana Field: pass to Bo Stone"])
    await edge.publish("match:2", happened("Shot", 8, shot={"outcome": {"name": "Goal"}}))
    foul = happened("Foul Committed", 9, foul_committed={"card": {"name": "Yellow Card"}})
    await edge.publish("match:2", foul)
    await expect(rows).to_have_text(
        ["9'Ana Field: foul, yellow card", "8'Ana Field: shot, goal", "7'Ana Field: pass to Bo Stone"]
    )
    await page.locator("#key-only").check()
    await expect(rows).to_have_count(2)
    await edge.until(lambda: "match:1" in edge.unsubscribes())


async def test_after_a_lost_connection_the_page_continues_from_its_cursors_without_loss_or_repetition(
    edge: ScriptedEdge, page: Page
) -> None:
    await kick_off(edge, "1")
    await edge.publish("match:1", happened("Carry", 1))
    await page.goto(edge.url)
    await expect(page.locator("#list li")).to_have_count(1)
    seen = await edge.publish("match:1", happened("Carry", 2))
    await expect(page.locator("#list li")).to_have_count(2)
    await edge.disconnect()
    await edge.publish("match:1", happened("Carry", 3), kept_back=True)
    await edge.until(lambda: edge.connected == 2 and len(edge.subscribes("match:1")) == 2)
    await edge.send(seen, "match:1")
    await edge.publish("match:1", happened("Carry", 4))
    await expect(page.locator("#list .minute")).to_have_text(["4'", "3'", "2'", "1'"])
    resumed = edge.subscribes("match:1")[-1]
    assert (resumed["epoch"], resumed["after"]) == ("first", seen["offset"])
    await expect(page.locator("#gaps")).to_have_text("0")


async def test_an_announced_hole_is_not_a_gap_and_a_gap_is_healed_and_shown(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    clock = {"period": 2, "minute": 63, "second": 0}
    left_out = await edge.publish("score:1", clock, key="clock", kept_back=True)
    place = left_out["offset"]
    await edge.send({"type": "skipped", "room": "score:1", "from": place, "to": place, "count": 1})
    await edge.publish("score:1", clock | {"minute": 64}, key="clock")
    await expect(page.locator(".card .clock")).to_have_text("64'")
    await expect(page.locator("#gaps")).to_have_text("0")
    await edge.publish("match:1", happened("Carry", 65), kept_back=True)
    await edge.publish("match:1", happened("Carry", 66))
    await expect(page.locator("#list .minute")).to_have_text(["66'", "65'"])
    await expect(page.locator("#gaps")).to_have_text("1, 1 healed")
    await expect(page.locator("#gaps-box")).not_to_have_class(re.compile("bad"))


async def test_a_gap_that_cannot_be_healed_stays_shown(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    await edge.publish("match:1", happened("Carry", 64))
    edge.forget(await edge.publish("match:1", happened("Carry", 65), kept_back=True))
    await edge.publish("match:1", happened("Carry", 66))
    await expect(page.locator("#list .minute")).to_have_text(["66'", "64'"])
    await expect(page.locator("#gaps")).to_have_text("1, 0 healed")
    await expect(page.locator("#gaps-box")).to_have_class(re.compile("bad"))


async def test_a_room_that_starts_over_is_shown_from_its_new_state(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await edge.publish("match:1", happened("Carry", 80))
    await page.goto(edge.url)
    await expect(page.locator("#list .minute")).to_have_text(["80'"])
    edge.restart_rooms("second")
    await edge.publish("score:1", score(0, 0), key="score", kept_back=True)
    await edge.publish("match:1", happened("Carry", 2), kept_back=True)
    await edge.disconnect(1001)
    await expect(page.locator("#list .minute")).to_have_text(["2'"])
    await expect(page.locator(".card .goals")).to_have_text(["0", "0"])
    await expect(page.locator("#gaps")).to_have_text("0")


async def test_silence_beyond_the_heartbeat_counts_as_a_lost_connection(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    edge.heartbeat_ms = 100
    await page.goto(edge.url)
    await edge.until(lambda: edge.connected == 2)
    edge.heartbeat_ms = 25_000
    await expect(page.locator("#status")).to_have_text("live")


async def test_the_page_stays_away_from_a_drained_edge_as_long_as_asked(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await expect(page.locator("#status")).to_have_text("live")
    await edge.send({"type": "goaway", "reconnect_ms": 90_000, "reason": "drain"})
    await edge.disconnect(1001)
    await expect(page.locator("#status")).to_have_text("back in 90 s")


async def test_a_server_that_refuses_the_page_is_not_asked_again(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await expect(page.locator("#status")).to_have_text("live")
    await edge.disconnect(4500)
    await expect(page.locator("#status")).to_contain_text("refused this page: 4500")
    await expect(page.locator("#status")).to_have_attribute("data-state", "closed")
    assert edge.connected == 1


async def test_cards_follow_the_servers_list_of_matches(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1", "2")
    await page.goto(edge.url)
    await expect(page.locator(".card")).to_have_count(2)
    await kick_off(edge, "2", "3")
    await edge.until(lambda: bool(edge.subscribes("score:3")))
    await expect(page.locator(".card")).to_have_count(2)
    await edge.until(lambda: "score:1" in edge.unsubscribes())
    await edge.until(lambda: bool(edge.subscribes("match:2")))


async def test_text_that_looks_like_markup_is_shown_as_text(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    name = "<img src=x onerror=alert(1)>"
    await edge.publish("match:1", happened("Carry", player=name))
    teams = {"home": {"name": name, "goals": 1}, "away": {"name": "Birch End", "goals": 0}}
    await edge.publish("score:1", teams, key="score")
    await page.goto(edge.url)
    await expect(page.locator("#list b")).to_have_text(name)
    await expect(page.locator(".card .team").first).to_have_text(name)


async def test_data_of_another_shape_does_not_stop_the_page(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    shapes: list[Any] = [None, 7, "text", [], {}, {"type": None, "location": ["x"], "minute": "?"}]
    for data in shapes:
        await edge.publish("match:1", data)
        for key in ("score", "clock", "period", "last_goal", "another"):
            await edge.publish("score:1", data, key=key)
    await edge.publish("match:1", happened("Carry", 44))
    await edge.publish("score:1", score(4, 4), key="score")
    await expect(page.locator("#list .minute").first).to_have_text("44'")
    await expect(page.locator(".card .goals")).to_have_text(["4", "4"])


async def test_the_open_match_shows_how_many_watch_it(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1")
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("match:1")))
    await edge.send({"type": "occupancy", "room": "match:1", "viewers": 4711})
    await expect(page.locator("#watchers")).to_have_text("4,711 watching")
    await edge.send({"type": "occupancy", "room": "score:1", "viewers": 7})  # not asked for
    await edge.send({"type": "occupancy", "room": "match:1", "viewers": 4712})
    await expect(page.locator("#watchers")).to_have_text("4,712 watching")


async def test_on_a_phone_a_match_opens_over_the_cards_and_back_leads_to_them(edge: ScriptedEdge, page: Page) -> None:
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await kick_off(edge, "1", "2")
    await page.goto(edge.url)
    cards = page.locator(".card")
    await expect(cards).to_have_count(2)
    await expect(page.locator("#detail")).to_be_hidden()
    await cards.nth(1).click()
    await expect(page.locator("#detail-heading")).to_have_text("Alder Vale 1\u20130 Birch End")
    await expect(cards.first).to_be_hidden()
    await page.locator("#back").click()
    await expect(cards.first).to_be_visible()
    await expect(page.locator("#detail")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_on_a_phone_the_bots_are_at_hand_however_many_events_there_are(edge: ScriptedEdge, page: Page) -> None:
    """The list of events scrolls by itself: the bots are a touch away, or one screen below the match."""
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await kick_off(edge, "1", "2")
    for minute in range(100):
        await edge.publish("match:1", happened("Pass", minute) | {"pass": {"recipient": {"name": "Bo Stone"}}})
    await page.goto(edge.url)
    await expect(page.locator("#hint")).to_be_visible()
    await expect(page.locator("#no-bots")).to_be_visible()
    await page.locator(".card").first.click()
    await expect(page.locator("#list li")).to_have_count(100)
    starts = page.get_by_role("button", name="taps too fast")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("document.documentElement.scrollHeight") < 3 * PHONE["height"]
    await expect(starts).not_to_be_in_viewport()
    await page.locator("#to-panel").click()
    await expect(starts).to_be_in_viewport(ratio=1)
    await expect(page.locator("#bots-word")).to_be_empty()


async def test_on_a_wide_page_nothing_leads_to_what_is_beside_it(edge: ScriptedEdge, page: Page) -> None:
    await kick_off(edge, "1", "2")
    await page.goto(edge.url)
    await expect(page.locator("#detail")).to_be_visible()
    await expect(page.locator("#to-panel")).to_be_hidden()
    await expect(page.locator("#hint")).to_be_hidden()


async def test_a_whole_recorded_match_is_followed_to_its_result(edge: ScriptedEdge, page: Page) -> None:
    match = read_match(MADE_UP.path, "7")
    edge.matches = ["7"]
    await page.goto(edge.url)
    await edge.until(lambda: bool(edge.subscribes("score:7") and edge.subscribes("match:7")))
    for item in match.timeline:
        await edge.publish(f"{item.feed}:7", item.data, key=item.key)
    await expect(page.locator(".card .period")).to_have_text("Full-time")
    await expect(page.locator(".card .goals")).to_have_text(["2", "1"])
    await expect(page.locator("#list li")).to_have_count(MADE_UP.events)
    await expect(page.locator("#list li[data-moment=goal]")).to_have_count(len(MADE_UP.goals))
    await expect(page.locator("#events")).to_have_text(str(len(match.timeline)))


async def test_a_late_visitor_sees_the_momentum_and_the_key_moments_of_the_whole_match(
    edge: ScriptedEdge, page: Page
) -> None:
    """They are state: the page has none of the events that they come from."""
    await kick_off(edge, "1")
    half = {"number": 1, "first_minute": 0, "home": [0, 50, 9], "away": [30, 0, 0]}
    await edge.publish("stats:1", {"periods": [half]}, key="momentum")
    moment = {"kind": "goal", "period": 1, "minute": 1, "team": "Alder Vale", "player": "Ana Field", "id": "old"}
    card = {"kind": "card", "period": 2, "minute": 70, "team": "Birch End", "player": "Cy Wood", "id": "new"}
    await edge.publish("stats:1", {"moments": [moment, card]}, key="moments")
    foul = happened("Foul Committed", 70, "Cy Wood", foul_committed={"card": {"name": "Yellow Card"}}, period=2)
    await edge.publish("match:1", foul | {"id": "new"})
    await page.goto(edge.url)
    await expect(page.locator(".momentum-chart .home[height]")).to_have_count(2)
    await expect(page.locator(".momentum-chart .away[height]")).to_have_count(1)
    await expect(page.locator(".pin[data-kind=goal]")).to_have_count(1)
    await expect(page.locator("#list li")).to_have_count(1)
    await page.locator("#key-only").check()
    await expect(page.locator("#list li")).to_have_text(["70'Cy Wood: foul, yellow card", "1'Ana Field: goal"])
