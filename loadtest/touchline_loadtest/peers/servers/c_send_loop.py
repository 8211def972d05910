"""The lower limit: a loop of ``send()`` in C, compiled on the spot."""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import LISTENS, command_process
from touchline_loadtest.peers.bare_reader import BareReader
from touchline_loadtest.peers.installed import system_program
from touchline_loadtest.peers.peer import PeerFailed, PeerServer, RoomStart
from touchline_loadtest.wire.opening import Step

SOURCE = Path(__file__).with_suffix(".c")


class SendLoopDialect:
    """Frames with bare values, without a handshake: there is nothing to say."""

    def opening(self, _port: int, _rooms: Sequence[RoomStart]) -> list[Step]:
        """Nothing."""
        return []

    def reader(self, rooms: Sequence[RoomStart]) -> BareReader:
        """A reader for one client."""
        return BareReader(rooms)


class SendLoopPeer:
    """``c_send_loop.c``."""

    name = "c-send-loop"
    package = "this repository"
    note = "C, compiled with -O2; blocking sockets, no handshake, one room; events on its standard input"
    recovers = False

    def version(self) -> str:
        """It has none, but needs a compiler."""
        system_program("cc")
        return "-"

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Compile and run it. It has no recovery to turn on."""
        if recovery:
            raise PeerFailed("a send loop cannot recover")
        built = await self._build(folder)
        async with command_process([str(built)], bench.cores.server, stdout=PIPE, stderr=DEVNULL) as process:
            port = await process.until_printed(LISTENS)

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                await process.write(b"".join(value + b"\n" for _, value in events))

            yield PeerServer(process, port, publish_all, SendLoopDialect())

    async def _build(self, folder: Path) -> Path:
        built = folder / "c_send_loop"
        command = [system_program("cc"), "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(built), str(SOURCE)]
        compiler = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE)
        _, errors = await compiler.communicate()
        if compiler.returncode:
            raise PeerFailed(f"cc: {errors.decode(errors='replace')[:200]}")
        return built
