"""Runs a real Redis, for load tests and all others: one process on the loopback interface, with its own folder."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.local_server import LocalServer
from touchline_protocol.errors import OperatorError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
READY = "Ready to accept connections"
KEEP_DATA = ("--appendonly", "yes")
"""Flags with which a server has its data again after it was killed."""


class RedisServer(LocalServer):
    """A Redis in ``folder``, which keeps its port over restarts. It keeps its data only with `KEEP_DATA` in ``flags``,
    which are more options for redis-server."""

    def __init__(self, folder: Path, *, flags: Sequence[str] = ()) -> None:
        log_file = folder / "redis.log"
        super().__init__(
            "redis-server", log_file, READY, start_timeout_s=START_TIMEOUT_S, stop_timeout_s=STOP_TIMEOUT_S
        )
        self.folder = folder
        (self.port,) = free_ports(1)
        self.flags = flags

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    def launch(self) -> None:
        """Also creates the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "")
        self.launch_command(("redis-server", *options, "--daemonize", "no", *self.flags))

    def lose_data(self) -> None:
        """Delete the data of a server that does not run, as when a machine is replaced."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)


@contextlib.contextmanager
def running_redis(folder: Path, *, flags: Sequence[str] = ()) -> Iterator[RedisServer]:
    """Run a Redis until the end of the block. Enter it in the main thread: the server ends with the thread.

    Raises:
        OperatorError: it is not installed, or did not start.
    """
    if shutil.which("redis-server") is None:
        raise OperatorError("there is no redis-server: install it (on Debian: apt-get install redis-server)")
    server = RedisServer(folder, flags=flags)
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)
