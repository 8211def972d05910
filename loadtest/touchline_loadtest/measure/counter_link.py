"""The measuring process's side of the pipe to the counters' process."""

import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.counters import commands

from .processes import ChildProcess, module_process

AnswerT = TypeVar("AnswerT", commands.Done, commands.Totals, commands.Times, commands.Events)


class CounterLink:
    """Sends one command at a time, and waits for its answer."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process
        self._decode = msgspec.json.Decoder(commands.Answer).decode

    @property
    def pid(self) -> int:
        """The id of the counters' process."""
        return self._process.pid

    def cpu_s(self) -> float:
        """The CPU seconds that the counters have used."""
        return self._process.cpu_s()

    def waited_s(self) -> float:
        """The seconds that they waited for their core."""
        return self._process.waited_s()

    async def ask(self, command: commands.Command, expected: type[AnswerT]) -> AnswerT:
        """Send ``command``; returns its answer.

        Raises:
            ClientsFailed: the answer is that it failed.
        """
        answer = self._decode(await self._process.ask(msgspec.json.encode(command)))
        if isinstance(answer, commands.Failed):
            raise ClientsFailed(answer.reason)
        assert isinstance(answer, expected)  # noqa: S101 - each command's docstring names its answer
        return answer

    async def do(self, command: commands.Command) -> None:
        """Send a command whose answer is `Done`.

        Raises:
            ClientsFailed: the answer is that it failed.
        """
        await self.ask(command, commands.Done)


@contextlib.asynccontextmanager
async def counter_process(core: int | None) -> AsyncIterator[CounterLink]:
    """Run the counters' process, and end it afterwards."""
    async with module_process(["touchline_loadtest.counters"], core) as process:
        yield CounterLink(process)
