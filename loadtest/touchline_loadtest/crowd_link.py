"""The measuring process's end of the line to the crowd's process."""

import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from . import crowd_words as words
from .clients import CrowdFailed
from .processes import Server, running

AnswerT = TypeVar("AnswerT", words.Done, words.Looked, words.Times)


class CrowdLink:
    """Asks one thing after the other."""

    def __init__(self, process: Server) -> None:
        self._process = process
        self._decode = msgspec.json.Decoder(words.Answer).decode

    @property
    def pid(self) -> int:
        """Its process's number."""
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds that the crowd has used."""
        return self._process.cpu_s()

    def waited_s(self) -> float:
        """Seconds that it waited for its core."""
        return self._process.waited_s()

    async def ask(self, command: words.Command, expected: type[AnswerT]) -> AnswerT:
        """Say ``command`` and wait for its answer.

        Raises:
            CrowdFailed: the answer is that it failed.
        """
        answer = self._decode(await self._process.ask(msgspec.json.encode(command)))
        if isinstance(answer, words.Failed):
            raise CrowdFailed(answer.reason)
        assert isinstance(answer, expected)  # noqa: S101 - as the words' texts say
        return answer

    async def do(self, command: words.Command) -> None:
        """Say a command that is answered by `Done`."""
        await self.ask(command, words.Done)


@contextlib.asynccontextmanager
async def crowd_process(core: int | None) -> AsyncIterator[CrowdLink]:
    """Run a crowd's process, and end it."""
    async with running(["touchline_loadtest.crowd"], core, {}) as process:
        yield CrowdLink(process)
