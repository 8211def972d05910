"""The page's client (touchline.js) follows the specification: gaps, cursors, waits, and when it gives up."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from demo.client_in_page import ClientInPage, client_in_page, times_live
from demo.scripted_edge import ScriptedEdge

ROOM = "match:1"


@pytest_asyncio.fixture(loop_scope="session")
async def client(browser: Browser, edge: ScriptedEdge) -> AsyncIterator[ClientInPage]:
    async with client_in_page(browser, edge) as client:
        yield client


async def test_after_a_gap_it_reconnects_and_takes_the_missing_event_first(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await client.join(ROOM)
    seen = await edge.publish(ROOM, "first")
    missing = await edge.publish(ROOM, "missing", kept_back=True)
    await edge.publish(ROOM, "third")
    await client.come_back()
    await edge.publish(ROOM, "fourth")
    await client.until(lambda reports: reports[-1][0] == "event" and reports[-1][1]["data"] == "fourth")
    assert await client.events() == ["first", "missing", "third", "fourth"]
    asked = edge.subscribes(ROOM)[-1]
    assert (edge.connected, asked["epoch"], asked["after"]) == (2, "first", seen["offset"])
    assert await client.reports("gap", "healed") == [
        ["gap", ROOM, seen["offset"], missing["offset"]],
        ["healed", ROOM],
    ]


async def test_if_the_same_gap_appears_again_the_room_starts_over(edge: ScriptedEdge, client: ClientInPage) -> None:
    await client.join(ROOM, last=5)
    await edge.publish(ROOM, "first")
    edge.forget(await edge.publish(ROOM, "lost", kept_back=True))
    await edge.publish(ROOM, "third")
    await client.come_back()
    await client.come_back()
    await client.until(lambda reports: [report[0] for report in reports].count("reset") == 2)
    assert "after" not in edge.subscribes(ROOM)[-1]
    *_, recent = (await client.reports("reset"))[-1]
    assert [event["data"] for event in recent] == ["first", "third"]
    await edge.publish(ROOM, "fourth")
    await client.until(lambda reports: reports[-1][0] == "event")
    assert await client.events() == ["first", "fourth"]
    assert [kind for kind, *_ in await client.reports("gap", "healed")] == ["gap"]


async def test_a_recovered_room_is_covered_up_to_its_cursor_and_no_further(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await client.join(ROOM, deliver="latest")
    seen = await edge.publish(ROOM, "first")
    skipped = await edge.publish(ROOM, "skipped", key="k", kept_back=True)
    place = skipped["offset"]
    await edge.send({"type": "skipped", "room": ROOM, "from": place, "to": place, "count": 1})
    edge.forget(skipped)
    await edge.publish(ROOM, "newer", key="k", kept_back=True)
    await edge.disconnect()
    await client.come_back()  # the head is beyond "newer", which is sent without its predecessor
    await client.until_status("waiting")
    assert await client.reports("gap") == [["gap", ROOM, seen["offset"], place]]
    assert await client.events() == ["first"]


async def test_waits_grow_to_a_bound_with_full_jitter_even_if_each_attempt_was_welcomed(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    for _ in range(8):
        await edge.disconnect()
        await client.come_back()
    assert await client.waits_ms() == [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]


async def test_after_a_connection_that_lasted_the_next_wait_is_short(edge: ScriptedEdge, client: ClientInPage) -> None:
    await edge.disconnect()
    await client.come_back()
    await client.pass_ms(4_900)
    await edge.disconnect()
    await client.come_back()
    await client.pass_ms(5_000)
    await edge.disconnect()
    await client.come_back()
    assert await client.waits_ms() == [250, 500, 250]


async def test_after_a_goaway_it_reconnects_at_the_given_time(edge: ScriptedEdge, client: ClientInPage) -> None:
    await client.join(ROOM)
    await edge.send({"type": "goaway", "reconnect_ms": 2_000, "reason": "drain"})
    await edge.publish(ROOM, "still served")
    await client.until(lambda reports: reports[-1][0] == "event")
    await client.pass_ms(1_900)
    assert await client.status() == "live"
    await client.pass_ms(200)
    await client.until(lambda reports: times_live(reports) == 2)
    assert await client.waits_ms() == []


async def test_the_time_of_a_goaway_counts_from_the_message_not_from_the_close(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await client.join(ROOM)
    await edge.send({"type": "goaway", "reconnect_ms": 9_000, "reason": "drain"})
    await edge.publish(ROOM, "still served")
    await client.until(lambda reports: reports[-1][0] == "event")
    await client.pass_ms(3_000)
    await edge.disconnect(1001)
    await client.until_status("waiting")
    await client.page.evaluate("dispatchEvent(new Event('online'))")
    await client.pass_ms(5_900)
    assert (await client.waits_ms(), await client.status()) == ([6_000], "waiting")
    await client.pass_ms(200)
    await client.until_status("live")


async def test_silence_of_two_heartbeats_counts_as_a_lost_connection(edge: ScriptedEdge, client: ClientInPage) -> None:
    await client.pass_ms(49_900)
    assert await client.status() == "live"
    await client.pass_ms(200)
    assert await client.status() == "waiting"


async def test_an_unavailable_room_is_requested_again_with_growing_waits(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.refused[ROOM] = "unavailable"
    await client.page.evaluate("room => client.join(room)", ROOM)
    for tries, wait_ms in enumerate((250, 500, 1_000), start=1):
        await settled(edge, client, tries)
        await client.pass_ms(wait_ms // 2)  # the refusal can have arrived at any time before
        await client.join(f"match:early-{tries}")
        assert len(edge.subscribes(ROOM)) == tries
        await client.pass_ms(wait_ms)
    await settled(edge, client, 4)
    edge.refused.clear()
    await client.pass_ms(3_000)
    await client.until(lambda reports: reports[-1][0] == "reset")


async def settled(edge: ScriptedEdge, client: ClientInPage, tries: int) -> None:
    """Wait until the client has read the answer to this attempt: it has read one that came after it."""
    await edge.until(lambda: len(edge.subscribes(ROOM)) == tries)
    await client.join(f"match:other-{tries}")


async def test_an_answer_to_an_older_request_does_not_drop_the_room(edge: ScriptedEdge, client: ClientInPage) -> None:
    await client.join(ROOM)
    await edge.send({"type": "error", "code": "not_subscribed", "message": "late", "room": ROOM})
    await edge.send({"type": "error", "code": "bad_room", "message": "late", "room": ROOM, "id": 99})
    late = {"type": "subscribed", "room": ROOM, "epoch": "older", "head": 700, "recovered": False, "id": 99}
    await edge.send(late)
    await edge.publish(ROOM, "taken")
    await client.until(lambda reports: reports[-1][0] == "event")
    assert [kind for kind, *_ in await client.reports("reset", "refused")] == ["reset"]


async def test_a_room_that_was_not_joined_is_not_left(edge: ScriptedEdge, client: ClientInPage) -> None:
    edge.refused[ROOM] = "unavailable"
    await client.page.evaluate("room => client.join(room)", ROOM)
    await settled(edge, client, 1)
    await client.page.evaluate("room => client.leave(room)", ROOM)
    edge.refused.clear()
    await client.join(ROOM)
    assert [message for message in edge.received if message["type"] == "unsubscribe"] == []


@pytest.mark.parametrize("code", ["unknown_feed", "already_subscribed", "of_a_newer_server"])
async def test_a_refused_room_is_reported_and_not_requested_again(
    edge: ScriptedEdge, client: ClientInPage, code: str
) -> None:
    edge.refused[ROOM] = code
    await client.join(ROOM)
    assert await client.reports("refused") == [["refused", ROOM, "scripted"]]
    await edge.disconnect()
    await client.come_back()
    await client.join("match:2")
    assert len(edge.subscribes(ROOM)) == 1


async def test_if_the_server_rejects_its_messages_it_gives_up(edge: ScriptedEdge, client: ClientInPage) -> None:
    await edge.send({"type": "error", "code": "of_a_newer_server", "message": "about nothing"})
    await edge.send({"type": "error", "code": "bad_message", "message": "no such field"})
    await client.until_status("closed")
    *_, why = (await client.reports("status"))[-1]
    assert "no such field (bad_message)" in why


async def test_once_it_has_given_up_the_network_coming_back_changes_nothing(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await edge.disconnect(4500)
    await client.until_status("closed")
    await client.page.evaluate("dispatchEvent(new Event('online'))")
    await client.pass_ms(60_000)
    assert (await client.status(), edge.connected) == ("closed", 1)


async def test_no_message_is_longer_than_the_server_accepts(edge: ScriptedEdge, client: ClientInPage) -> None:
    rooms = [f"match:{number}" for number in range(150)]
    for room in rooms:
        await client.page.evaluate("room => client.join(room)", room)
    edge.received.clear()
    edge.message_bytes_max = 2_000
    await edge.disconnect()
    await client.come_back()
    await edge.until(lambda: all(edge.subscribes(room) for room in rooms))
    sizes = [len(str(message)) for message in edge.received if message["type"] == "subscribe"]
    assert len(sizes) > 2
    assert max(sizes) < 2_200  # Python writes spaces between


async def moved(edge: ScriptedEdge, client: ClientInPage, *, lost: int) -> None:
    """Receive three events, lose the edge, and come back to a mirror that lacks some and has a new one."""
    await client.join(ROOM)
    await edge.publish(ROOM, 1, key="score")
    for text in ("second", "third"):
        await edge.publish(ROOM, text)
    await client.until(lambda reports: reports[-1][0] == "event" and reports[-1][1]["data"] == "third")
    await edge.disconnect()
    edge.move(lost)
    await edge.publish(ROOM, "new", kept_back=True)
    await client.come_back()
    await edge.publish(ROOM, "live")
    await client.until(lambda reports: reports[-1][0] == "event" and reports[-1][1]["data"] == "live")
    assert edge.subscribes(ROOM)[-1].keys() >= {"epoch", "after", "ts"}


async def test_in_a_mirror_it_goes_on_without_a_start_over(edge: ScriptedEdge, client: ClientInPage) -> None:
    await moved(edge, client, lost=0)
    assert await client.events() == [1, "second", "third", "new", "live"]
    assert len(await client.reports("reset")) == 1


async def test_in_a_mirror_that_lacks_events_it_begins_with_the_state_and_the_new_ones(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await moved(edge, client, lost=1)
    assert await client.events() == [1, "second", "third", "live"]
    _, (_, _, state, recent) = await client.reports("reset")
    assert ([event["data"] for event in state], [event["data"] for event in recent]) == ([1], ["new"])


@pytest.mark.long
async def test_a_replay_of_a_mirror_that_is_cut_off_is_asked_for_again(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await client.join(ROOM)
    for text in ("first", "second", "third"):
        await edge.publish(ROOM, text)
    await client.until(lambda reports: reports[-1][0] == "event" and reports[-1][1]["data"] == "third")
    await edge.disconnect()
    edge.move(0)
    edge.replays_end_after = 2
    await edge.publish(ROOM, "new", kept_back=True)
    await client.come_back()
    await edge.until(lambda: len(edge.subscribes(ROOM)) == 2)
    await edge.disconnect()
    edge.replays_end_after = None
    await client.come_back()
    await edge.publish(ROOM, "live")
    await client.until(lambda reports: reports[-1][0] == "event" and reports[-1][1]["data"] == "live")
    assert await client.events() == ["first", "second", "third", "new", "live"]
    assert len(await client.reports("reset")) == 1


@pytest.mark.long
async def test_of_two_equal_events_in_the_state_a_page_does_not_take_the_first_for_its_own(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    for key, data in (("a", 1), ("b", 2), ("a", 1)):
        await edge.publish(ROOM, data, key=key, ts=1_700_000_000_000)
    await client.join(ROOM)
    await edge.disconnect()
    edge.move(0)
    await client.come_back()
    await edge.publish(ROOM, "live")
    await client.until(lambda reports: reports[-1][0] == "event" and reports[-1][1]["data"] == "live")
    assert await client.events() == ["live"]
    assert len(await client.reports("reset")) == 1


@pytest.mark.long
async def test_in_another_log_it_starts_over(edge: ScriptedEdge, client: ClientInPage) -> None:
    await client.join(ROOM)
    await edge.publish(ROOM, "first")
    await client.until(lambda reports: reports[-1][0] == "event")
    await edge.disconnect()
    edge.restart_rooms("other")
    edge.finds_places = True
    await edge.publish(ROOM, "strange", kept_back=True)
    await client.come_back()
    await client.until(lambda reports: len([1 for report in reports if report[0] == "reset"]) == 2)
    assert await client.events() == ["first"]
