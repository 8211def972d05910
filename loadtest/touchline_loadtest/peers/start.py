"""Starts a peer that is told its port, and does not say when it listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import START_TIMEOUT_S, ChildProcess, command_process

from .peer import PeerFailed

POLL_S = 0.02
LOG_TAIL_BYTES = 500


@contextlib.asynccontextmanager
async def listening_process(
    bench: Bench, command: Sequence[str], folder: Path, ports: Sequence[int], variables: Mapping[str, str] | None = None
) -> AsyncIterator[ChildProcess]:
    """Run a command on the servers' core until all ``ports`` accept connections. Its output goes to ``folder``.

    Raises:
        PeerFailed: it ended, or took too long.
    """
    log = folder / "server.log"
    with log.open("ab") as output:
        async with command_process(command, bench.cores.server, variables, stdout=output, stderr=output) as process:
            try:
                async with asyncio.timeout(START_TIMEOUT_S):
                    for port in ports:
                        await _until_listening(port, process)
            except (TimeoutError, PeerFailed) as error:
                raise PeerFailed(f"{Path(command[0]).name} did not start: {error} {_tail(log)}") from None
            yield process


async def _until_listening(port: int, process: ChildProcess) -> None:
    while True:
        if process.exit_code is not None:
            raise PeerFailed(f"exit code {process.exit_code}")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
            return
        await asyncio.sleep(POLL_S)


def _tail(log: Path) -> str:
    return log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
