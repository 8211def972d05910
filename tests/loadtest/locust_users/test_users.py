"""All users of the load test against a real server: they see what matters, and notice what is wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import msgspec
import pytest

from support.locust_process import LocustRun, run_locust
from support.node_fixture import RunningNode, running_node
from support.tampering import Broken, Tamper, tampering_proxy
from touchline_protocol.messages import Event, ServerMessage, Subscribed

SECRET = "a secret of at least thirty-two bytes"
ROOMS = ("score:1", "score:2", "match:1")
QUICK = ("--stay", "0.5", "--away", "0.1", "--rooms", ",".join(ROOMS), "-r", "100")
EVENT_EVERY_S = 0.02


@contextlib.asynccontextmanager
async def live_server() -> AsyncIterator[RunningNode]:
    """A server in whose rooms something happens all the time: state, and events without a key."""
    async with running_node(auth={"hs256_secret": SECRET}, heartbeat_s=5.0) as node:

        async def publish(number: int) -> None:
            for room in ROOMS:
                await node.publish(room, {"n": number}, key=("score", "clock", None)[number % 3])

        async def play() -> None:
            for number in count(3):
                await publish(number)
                await asyncio.sleep(EVENT_EVERY_S)

        for number in range(3):
            await publish(number)
        playing = asyncio.create_task(play())
        try:
            yield node
        finally:
            playing.cancel()
            await asyncio.wait([playing])


async def test_every_user_of_the_locustfile_works_against_a_server(tmp_path: Path) -> None:
    async with live_server() as node:
        host = f"ws://127.0.0.1:{node.port}"
        run = await run_locust(
            tmp_path, "--host", host, *QUICK, "--token-secret", SECRET, "--acts-per-s", "5", "-u", "10", "-t", "3s"
        )
    assert run.failures == set(), run.output
    assert run.code == 0, run.output
    for row in ("connect", "first state", "event", "event (slow reader)", "event (stream)", "return", "action to ack"):
        assert run.count(row) > 0, run.output
    assert run.count("event") > 100, run.output


def nothing(message: ServerMessage) -> list[ServerMessage]:
    return [message]


def on_event(number: int, change: Callable[[Event], list[ServerMessage]]) -> Tamper:
    """Change the event with this number."""
    numbers = count(1)

    def tamper(message: ServerMessage) -> list[ServerMessage]:
        return change(message) if isinstance(message, Event) and next(numbers) == number else [message]

    return tamper


def hidden_swap() -> Tamper:
    """Swap two events, and have ``prev`` say that nothing is missing between them."""
    held: list[Event] = []
    numbers = count(1)

    def tamper(message: ServerMessage) -> list[ServerMessage]:
        if not isinstance(message, Event):
            return [message]
        if next(numbers) == 5:
            held.append(message)
            return []
        return [msgspec.structs.replace(message, prev=held[0].prev), held.pop()] if held else [message]

    return tamper


def stale_state(message: ServerMessage) -> list[ServerMessage]:
    """Move the newest event of each key back by one."""
    if isinstance(message, Subscribed):
        state = [msgspec.structs.replace(event, offset=event.offset - 1) for event in message.state]
        return [msgspec.structs.replace(message, state=state)]
    return [message]


def broken(event: Event) -> list[ServerMessage]:
    raise Broken(1011)


FAULTS: dict[str, Callable[[], Tamper]] = {
    "gap": lambda: on_event(5, lambda event: []),
    "doubled": lambda: on_event(5, lambda event: [event, event]),
    "reordered": hidden_swap,
    "wrong_prev": lambda: on_event(5, lambda event: [msgspec.structs.replace(event, prev=0)]),
    "wrong_state": lambda: stale_state,
    "unexplained_close": lambda: on_event(5, broken),
}
"""How to break each promise that users check by themselves."""


async def tampered(tmp_path: Path, *faults: str) -> LocustRun:
    """Run fans of whom the first sees an honest server, and each further one suffers one of the faults."""

    def tamper_of(number: int) -> Tamper:
        return FAULTS[faults[number - 1]]() if 1 <= number <= len(faults) else nothing

    async with live_server() as node, tampering_proxy(node.url, tamper_of) as host:
        users = ("-u", str(len(faults) + 1), "-r", "10", "--rooms", "score:1", "--stay", "30", "-t", "2s")
        return await run_locust(tmp_path, "--host", host, *users, "--token-secret", SECRET, "Fan")


async def test_every_fault_fails_the_run_under_its_name(tmp_path: Path) -> None:
    run = await tampered(tmp_path, *FAULTS)
    assert run.failures >= set(FAULTS), run.output
    assert run.code == 1, run.output


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_reported_under_no_other_name(tmp_path: Path, fault: str) -> None:
    run = await tampered(tmp_path, fault)
    assert run.failures == {fault}, run.output
    assert run.rows[fault]["num_failures"] == 1, run.output
