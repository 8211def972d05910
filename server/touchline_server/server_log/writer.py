"""Writes lines to a file descriptor from a thread, so that a reader that has stopped never stops the server.

Rules:

1. `Writer.put` never waits. While the queue is full, lines are dropped and counted; the count is written later.
2. The descriptor stays in blocking mode: non-blocking mode would also apply to other processes that share it.
3. A descriptor that cannot be written to (closed pipe, full disk) costs lines and nothing else.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable

QUEUED_LINES_MAX = 2000
"""Lines that wait for the descriptor: a few hundred KB, and far more than the server writes while all is well."""

IDLE_S = 1.0
"""How often the thread calls ``idle`` while there is nothing to write."""

CLOSE_S = 1.0
"""How long flushing and closing wait for lines that are left. A pipe that nobody reads must not delay the exit."""


class Writer:
    """Writes lines to ``fd``.

    ``idle`` is called about once a second and returns further lines. ``dropped`` returns the line that says how many
    lines were dropped because they could not be written.
    """

    def __init__(self, fd: int, *, idle: Callable[[], list[bytes]], dropped: Callable[[int], bytes]) -> None:
        self._fd = fd
        self._idle = idle
        self._dropped_line = dropped
        self._dropped = 0
        self._closing = False
        self._queue: queue.Queue[bytes] = queue.Queue(QUEUED_LINES_MAX)
        self._thread = threading.Thread(target=self._run, name="server log", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written. Returns at once."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until what was put is written, for a second at most."""
        with self._queue.all_tasks_done:
            self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, CLOSE_S)

    def close(self) -> None:
        """Write what is left, as far as that takes no longer than a second."""
        self._closing = True
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(b"")
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._closing or not self._queue.empty():
            with contextlib.suppress(queue.Empty):
                self._write(self._queue.get(timeout=IDLE_S))
                self._queue.task_done()
            if self._dropped and self._queue.empty():
                count, self._dropped = self._dropped, 0
                self._write(self._dropped_line(count))
            for line in self._idle():
                self._write(line)

    def _write(self, line: bytes) -> None:
        """Write a whole line; a descriptor may take a part of it."""
        try:
            while line:
                line = line[os.write(self._fd, line) :]
        except OSError:
            self._dropped += 1
