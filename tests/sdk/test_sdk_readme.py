"""The examples in the SDK's README run as they are written, except for the address."""

import asyncio
import re
import sys
from contextlib import suppress
from pathlib import Path

from sdk.scripted_server import Peer, event, scripted
from support.waiting import DEADLINE_S
from touchline_protocol.messages import Ack, Action, Nack, Occupancy, Subscribe, Subscribed

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


async def lines_of(example: int, url: str, count: int) -> list[str]:
    """The first lines that an example of the README prints, against another server. It is killed after that."""
    examples = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    code = examples[example].replace("ws://localhost:8080/ws", url)
    process = await asyncio.create_subprocess_exec(sys.executable, "-uc", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            return [(await process.stdout.readline()).decode().rstrip() for _ in range(count)]
    finally:
        with suppress(ProcessLookupError):  # it has ended
            process.kill()
        await process.communicate()


async def test_the_example_of_the_readme_prints_state_and_events() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.hear(Subscribe)
        (request,) = asked.rooms
        state = [event(4, room=request.room, key="score")]
        await peer.say(
            Subscribed(room=request.room, epoch="e", head=4, recovered=False, state=state, recent=state, id=asked.id),
            event(6, room=request.room, prev=4),
        )
        await peer.until_closed()

    async with scripted(script) as server:
        lines = await lines_of(0, server.url, 3)
    assert lines == ["now: {'score': {'n': 4}}", "4 score {'n': 4}", "6 None {'n': 6}"]


async def test_the_example_of_presence_prints_how_many_watch() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.hear(Subscribe)
        (request,) = asked.rooms
        assert (request.occupancy, request.members) == (True, False)
        await peer.say(
            Subscribed(room=request.room, epoch="e", head=4, recovered=False, id=asked.id),
            Occupancy(room=request.room, viewers=7),
        )
        await peer.until_closed()

    async with scripted(script) as server:
        lines = await lines_of(1, server.url, 1)
    assert lines == ["Occupancy(room='score:15946', viewers=7, complete=True)"]


async def test_the_example_of_acting_acts_and_prints_the_refusal() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(player="ada")
        await peer.say(Ack(id=(await peer.hear(Action)).id))
        await peer.say(Nack(id=(await peer.hear(Action)).id, code="muted", message="mute: too fast"))
        await peer.until_closed()

    async with scripted(script) as server:
        lines = await lines_of(2, server.url, 2)
    assert lines == ["ada acted: 1", "refused: muted"]
