"""A server that is not ours, such as Kafka or Redis: started, stopped, killed and started again.

Nothing here depends on an event loop.
"""

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from touchline_protocol.errors import OperatorError

from .processes import dying_with_parent

LOOK_S = 0.01
"""Time between looks at the log of a server that starts."""
TAIL_CHARS = 3_000
"""How much of its log a message about a failure has."""


class LocalServer:
    """A process that serves once its log contains ``ready``. ``name`` is for messages about it."""

    def __init__(self, name: str, log_file: Path, ready: str, *, start_timeout_s: float, stop_timeout_s: float) -> None:
        self.log_file = log_file
        """What the server printed."""
        self._name = name
        self._ready = ready
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the server was started and not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the server, and wait until it serves. After a stop, it keeps its addresses.

        Raises:
            OperatorError: it ended, or did not start in time. The message contains the end of its log.
        """
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        """The first half of `start`. Call it in the main thread: the server is killed when the calling thread ends."""
        raise NotImplementedError

    def launch_command(self, command: Sequence[str], *, cwd: Path | None = None) -> None:
        """Launch the server by this command."""
        with self.log_file.open("wb") as output:
            # A session of its own, so that Ctrl-C reaches the program that started it alone: servers are ended last.
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                dying_with_parent(*command), stdout=output, stderr=subprocess.STDOUT, cwd=cwd, start_new_session=True
            )

    def wait_started(self) -> None:
        """The second half of `start`."""
        deadline_s = time.monotonic() + self._start_timeout_s
        while self._ready not in (output := self.log_file.read_text(errors="replace")):
            if self._process is None or self.ended or time.monotonic() > deadline_s:
                self.stop(kill=True)
                raise OperatorError(f"{self._name} did not start:\n{output[-TAIL_CHARS:]}")
            time.sleep(LOOK_S)

    def stop(self, *, kill: bool = False) -> None:
        """Shut the server down, or kill it. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT, to the running server."""
        assert self._process is not None  # noqa: S101 - it was started
        self._process.send_signal(number)
