"""One worker's process, as its supervisor sees it: started, spoken to, waited for, ended.

A fresh interpreter instead of a fork: the supervisor has an event loop, threads and a Kafka client, none of which
survives a fork. That costs a second of CPU at a worker's start, and some memory that a fork would share for a while.

The process gets a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone, which decides.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

from touchline_protocol.errors import OperatorError

from .channel import Channel
from .messages import (
    Answer,
    Beat,
    Closed,
    Failed,
    Order,
    Refused,
    Report,
    Request,
    Serving,
    reports,
)
from .requests import PendingRequests, TooManyRequests
from .stacks import STACKS_SIGNAL, StacksFile

EXPIRE_EVERY_S = 0.05
"""How exact the deadlines of requests are."""


class WorkerProcess:
    """A running process. ``reported`` is given what it says, ``ended`` its exit code once it has ended."""

    def __init__(
        self, reported: Callable[[Beat | Serving | Closed], None], ended: Callable[["WorkerProcess", int], None]
    ) -> None:
        self.pid = 0
        self.failure: str | None = None
        """Why it ends, if that is something that the operator can fix."""
        self.stacks = ""
        """Once it has ended: where its threads were, if it hung or crashed."""
        self.is_ending = False
        """Whether `end` was called."""
        self._reported = reported
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._channel: Channel[Report] = Channel(reports(), self._received, self._lost)
        self._requests: PendingRequests[asyncio.Future[Answer]] = PendingRequests()
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._stacks_file: StacksFile | None = None

    async def start(self, command: Sequence[str], first: Order) -> None:
        """Start ``command``, and give it its first message. Its last arguments are two descriptors: its socket, and the
        file for its stacks.

        Raises:
            OSError: no process can be started, for example because there are too many.
        """
        stacks_file = StacksFile()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # Our own program; the loop waits for the milliseconds that a start takes.
                self._process = subprocess.Popen(  # noqa: S603, ASYNC220
                    [*command, str(theirs.fileno()), str(stacks_file.fd)],
                    pass_fds=[theirs.fileno(), stacks_file.fd],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                stacks_file.close()
                raise
        self._stacks_file = stacks_file
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._exited)
        await self._channel.start(ours)
        self._channel.send(first)

    def send(self, order: Order) -> None:
        """Give the worker a message that it does not answer."""
        self._channel.send(order)

    async def ask(self, make: Callable[[int], Request], timeout_s: float) -> Answer:
        """Send the request that ``make`` makes with an id, and wait for its answer.

        Raises:
            OperatorError: the worker refuses, does not answer in time, or is gone.
        """
        answer: asyncio.Future[Answer] = self._loop.create_future()
        try:
            request_id = self._requests.add(answer, self._loop.time() + timeout_s)
        except TooManyRequests:
            raise OperatorError("a worker has too many requests to answer; try again in a moment") from None
        self._channel.send(make(request_id))
        self._loop.call_later(timeout_s + EXPIRE_EVERY_S, self._expire)
        received = await answer
        if isinstance(received, Refused):
            raise OperatorError(received.why)
        return received

    async def end(self, timeout_s: float) -> None:
        """Have the process write down its stacks and end. It is killed if that takes longer than ``timeout_s``."""
        self.is_ending = True
        if self._process is not None:
            self._process.send_signal(STACKS_SIGNAL)
            await asyncio.sleep(timeout_s)
            self.kill()

    def kill(self) -> None:
        """End the process at once, if it has not ended. Safe in a signal handler."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)

    def _received(self, report: Report) -> None:
        if isinstance(report, Beat | Serving | Closed):
            self._reported(report)
        elif isinstance(report, Failed):
            self.failure = report.why
        elif (waiting := self._requests.take(report.id)) is not None and not waiting.done():
            waiting.set_result(report)

    def _expire(self) -> None:
        self._fail(self._requests.expire(self._loop.time()), "a worker did not answer in time")

    def _lost(self) -> None:
        self._fail(self._requests.clear(), "a worker ended before it answered")

    def _fail(self, waiting: Sequence[asyncio.Future[Answer]], why: str) -> None:
        for each in waiting:
            if not each.done():
                each.set_exception(OperatorError(f"{why}; try again in a moment"))

    def _exited(self) -> None:
        """The process has ended. Its last messages may still have to be read, so the end is reported a little later."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        assert self._process is not None  # noqa: S101 - its descriptor was read
        assert self._stacks_file is not None  # noqa: S101 - as above
        self.stacks = self._stacks_file.read()
        self._stacks_file.close()
        self._loop.call_later(EXPIRE_EVERY_S, self._report_end, self._process.wait())

    def _report_end(self, code: int) -> None:
        self._channel.close()
        self._ended(self, code)


def python_command(module: str) -> list[str]:
    """The command that runs a module of ours with this interpreter, and without the current folder on its path."""
    return [sys.executable, "-P", "-m", module]
