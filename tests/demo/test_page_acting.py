"""The page's client as a player (acting.js) follows the specification: ids, answers, resending, reconnecting."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from demo.client_in_page import ClientInPage, client_in_page
from demo.scripted_edge import Json, ScriptedEdge, acked, unanswered


@pytest_asyncio.fixture(loop_scope="session")
async def client(browser: Browser, edge: ScriptedEdge) -> AsyncIterator[ClientInPage]:
    async with client_in_page(browser, edge, player="ada") as client:
        yield client


def nack(number: int, code: str, retry_ms: int | None = None) -> Json:
    answer: Json = {"type": "nack", "id": number, "code": code, "message": "scripted"}
    return answer if retry_ms is None else answer | {"retry_ms": retry_ms}


async def test_actions_are_numbered_from_one_and_done_once_acknowledged(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    await client.act("a", "b")
    assert await client.outcomes(2) == [["done", "a", 1], ["done", "b", 2]]
    sent = [message for message in edge.received if message["type"] == "action"]
    assert sent[0] == {"type": "action", "id": 1, "room": "cheer:1", "kind": "tap", "data": "a"}
    assert edge.received[0]["token"] == "ada"
    assert await client.reports("player") == [["player", "ada"]]


async def test_a_refused_action_uses_up_its_id_and_the_next_one_continues(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.answer_action = lambda action: [nack(1, "muted")] if action["id"] == 1 else acked(action)
    await client.act("a")
    await client.outcomes(1)
    await client.act("b", "c")
    assert await client.outcomes(3) == [["failed", "a", "muted"], ["done", "b", 2], ["done", "c", 3]]
    assert edge.actions() == [(1, None), (2, 0), (3, None)]


async def test_after_a_nack_with_a_retry_time_it_resends_after_that_time(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.answer_action = unanswered
    await client.act("a", "b", "c")
    await edge.until(lambda: len(edge.actions()) == 3)
    edge.answer_action = acked
    await edge.send({"type": "ack", "id": 1})
    await edge.send(nack(2, "rate_limited", 700))
    await edge.send(nack(3, "id_gap", 700))
    await client.outcomes(1)
    await client.join("match:1")  # everything before was received
    await client.act("d")
    await client.pass_ms(650)
    assert len(edge.actions()) == 3
    await client.pass_ms(100)
    assert await client.outcomes(4) == [["done", "a", 1], ["done", "b", 2], ["done", "c", 3], ["done", "d", 4]]
    assert [number for number, _ in edge.actions()] == [1, 2, 3, 2, 3, 4]


async def test_it_keeps_the_pace_of_the_server_and_sends_one_action_after_it_was_too_fast(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.actions_burst, edge.action_interval_ms = 3, 100
    await edge.disconnect()
    await client.come_back()
    edge.answer_action = unanswered
    await client.act(*"abcdef")
    await edge.until(lambda: len(edge.actions()) == 2)
    await client.pass_ms(99)
    await client.join("match:1")
    assert len(edge.actions()) == 2
    await client.pass_ms(1)
    await edge.until(lambda: len(edge.actions()) == 3)
    for number in (1, 2, 3):
        await edge.send(nack(number, "rate_limited" if number == 1 else "id_gap", 250))
    await client.join("match:2")
    edge.answer_action = acked
    await client.pass_ms(249)
    await client.join("match:3")
    assert len(edge.actions()) == 3
    for sent in range(4, 10):
        await client.pass_ms(1 if sent == 4 else 100)
        await edge.until(lambda sent=sent: len(edge.actions()) == sent)  # type: ignore[misc]
        await client.outcomes(sent - 3)
    assert [number for number, _ in edge.actions()] == [1, 2, 3, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("retry_ms", "is_kept"), [(10, True), (None, False)])
async def test_an_unknown_nack_is_retried_if_it_has_a_retry_time(
    edge: ScriptedEdge, client: ClientInPage, retry_ms: int | None, is_kept: bool
) -> None:
    edge.answer_action = lambda action: [nack(action["id"], "of_a_newer_server", retry_ms)]
    await client.act("a")
    await edge.until(lambda: len(edge.actions()) == 1)
    await client.join("match:1")
    edge.answer_action = acked
    await client.pass_ms(20)
    expected = ["done", "a", 1] if is_kept else ["failed", "a", "of_a_newer_server"]
    assert await client.outcomes(1) == [expected]


async def test_after_a_lost_connection_unanswered_actions_are_sent_again_in_the_same_session(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.answer_action = unanswered
    await client.act("a", "b", "c", "d")
    await edge.until(lambda: len(edge.actions()) == 4)
    await edge.send({"type": "ack", "id": 2})
    await edge.send(nack(3, "action_invalid"))
    await client.outcomes(2)
    await edge.disconnect()
    await client.until_status("waiting")
    await client.act("e")
    edge.received.clear()
    edge.answer_action = acked
    await client.come_back()
    assert (await client.outcomes(5))[2:] == [["done", "a", 1], ["done", "d", 4], ["done", "e", 5]]
    assert (edge.received[0]["session"], edge.received[0]["token"]) == ("s", "ada")
    assert edge.actions() == [(1, None), (4, 2), (5, None)]


async def test_duplicate_id_counts_as_acknowledged_only_for_resent_actions(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.answer_action = unanswered
    await client.act("a")
    await edge.until(lambda: len(edge.actions()) == 1)
    await edge.disconnect()
    edge.answer_action = lambda action: [nack(action["id"], "duplicate_id")]
    await client.come_back()
    await client.outcomes(1)
    await client.act("b")
    assert await client.outcomes(2) == [["done", "a", 1], ["failed", "b", "duplicate_id"]]


async def test_unanswered_actions_stay_within_the_window_and_at_most_twenty_are_kept(
    edge: ScriptedEdge, client: ClientInPage
) -> None:
    edge.actions_window = 3
    await edge.disconnect()
    await client.come_back()
    edge.answer_action = unanswered
    await client.act(*range(21))
    assert await client.outcomes(1) == [["failed", 20, "full"]]
    await edge.until(lambda: len(edge.actions()) == 3)
    await edge.send({"type": "ack", "id": 2})  # the window of ids counts: 1 is still unanswered
    await client.outcomes(2)
    await client.join("match:1")
    assert [number for number, _ in edge.actions()] == [1, 2, 3]
    edge.answer_action = acked
    await edge.send({"type": "ack", "id": 1})
    await edge.send({"type": "ack", "id": 3})
    done = [outcome for outcome in await client.outcomes(21) if outcome[0] == "done"]
    assert sorted(number for _, _, number in done) == list(range(1, 21))
    assert [number for number, _ in edge.actions()] == list(range(1, 21))


async def test_an_action_first_sent_too_long_ago_is_not_sent_again(edge: ScriptedEdge, client: ClientInPage) -> None:
    edge.heartbeat_ms = 1_000_000
    await edge.disconnect()
    await client.come_back()
    edge.answer_action = unanswered
    await client.act("a")
    await edge.until(lambda: len(edge.actions()) == 1)
    await client.pass_ms(300_001)
    edge.answer_action = acked
    await edge.disconnect()
    await client.come_back()
    await client.act("b")
    assert await client.outcomes(2) == [["failed", "a", "in_doubt"], ["done", "b", 2]]
    assert edge.actions() == [(1, None), (2, 0)]


async def test_a_new_player_does_not_send_the_old_players_actions(edge: ScriptedEdge, client: ClientInPage) -> None:
    edge.answer_action = unanswered
    await client.act("a")
    await edge.until(lambda: len(edge.actions()) == 1)
    await edge.disconnect()
    edge.answer_action = acked
    await client.page.evaluate("window.player = 'bea'")
    await client.come_back()
    await client.act("b")
    assert await client.outcomes(2) == [["failed", "a", "in_doubt"], ["done", "b", 2]]
    assert await client.page.evaluate("tokens") == [None, "ada"]


async def test_without_a_token_nobody_can_act(edge: ScriptedEdge, client: ClientInPage) -> None:
    await client.page.evaluate("window.player = null")
    await edge.disconnect()
    await client.until_status("waiting")
    await client.act("a")
    await client.come_back()
    await client.act("b")
    assert await client.outcomes(2) == [["failed", "a", "token_missing"], ["failed", "b", "token_missing"]]
    assert edge.actions() == []


async def test_a_newer_token_is_presented_a_minute_before_expiry(edge: ScriptedEdge, client: ClientInPage) -> None:
    def refreshes() -> list[Any]:
        return [message for message in edge.received if message["type"] == "refresh"]

    edge.heartbeat_ms = 10_000_000
    edge.token_ms = 400_000
    await edge.disconnect()
    await client.come_back()
    await client.page.evaluate("window.player = 'newer'")
    await client.pass_ms(339_000)
    assert refreshes() == []
    await client.pass_ms(2_000)
    await edge.until(lambda: len(refreshes()) == 1)
    assert refreshes() == [{"type": "refresh", "token": "newer"}]


async def test_a_ban_is_shown_and_ends_everything(edge: ScriptedEdge, client: ClientInPage) -> None:
    edge.answer_action = unanswered
    await client.act("a")
    verdict = {"type": "verdict", "kind": "ban", "reason": "scripted"}
    await edge.send(verdict)
    await edge.disconnect(4503)
    await client.until_status("closed")
    await client.act("b")
    assert await client.outcomes(2) == [["failed", "a", "closed"], ["failed", "b", "closed"]]
    assert await client.reports("verdict") == [["verdict", verdict]]
    await client.pass_ms(60_000)
    assert edge.connected == 1
