"""Runs a real Redis, for load tests and all others: one process on the loopback interface, with its own folder."""

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.processes import dying_with_parent

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
READY = "Ready to accept connections"
KEEP_DATA = ("--appendonly", "yes")
"""Flags with which a server has its data again after it was killed."""


class RedisServer:
    """A Redis in ``folder``, which keeps its port over restarts. It keeps its data only with `KEEP_DATA` in ``flags``,
    which are more options for redis-server."""

    def __init__(self, folder: Path, *, flags: Sequence[str] = ()) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log_file(self) -> Path:
        """What the server printed."""
        return self.folder / "redis.log"

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the server, and wait until it serves.

        Raises:
            RuntimeError: it ended, or did not start in time. The message contains the end of its log.
        """
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        """The first half of `start`. Call it in the main thread: the server is killed when the calling thread ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "")
        command = dying_with_parent("redis-server", *options, "--daemonize", "no", *self.flags)
        with self.log_file.open("wb") as output:
            # A session of its own, so that Ctrl-C reaches the program that started it alone.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_started(self) -> None:
        """The second half of `start`."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while READY not in (output_text := self.log_file.read_text(errors="replace")):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(kill=True)
                raise RuntimeError(f"redis-server did not start:\n{output_text[-2000:]}")
            time.sleep(0.01)

    def stop(self, *, kill: bool = False) -> None:
        """Shut the server down, or kill it. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def lose_data(self) -> None:
        """Delete the data of a server that does not run, as when a machine is replaced."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT, to the running server."""
        assert self._process is not None  # noqa: S101 - it was started
        self._process.send_signal(number)
