"""The example in the SDK's README runs as it is written, but for the address."""

import asyncio
import re
import sys
from pathlib import Path

from sdk.scripted_server import WAIT_S, Peer, event, scripted
from touchline_protocol.messages import Subscribe, Subscribed

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


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

    found = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert found is not None
    async with scripted(script) as server:
        code = found[1].replace("ws://localhost:8080/ws", server.url)
        process = await asyncio.create_subprocess_exec(sys.executable, "-uc", code, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WAIT_S):
                lines = [(await process.stdout.readline()).decode().rstrip() for _ in range(3)]
        finally:
            process.kill()
            await process.communicate()
    assert lines == ["now: {'score': {'n': 4}}", "4 score {'n': 4}", "6 None {'n': 6}"]
