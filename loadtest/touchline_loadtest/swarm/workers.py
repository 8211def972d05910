"""The run's side of the pipes to its workers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from touchline_loadtest.measure.processes import ChildProcess, module_process

from . import commands

AnswerT = TypeVar("AnswerT", commands.Done, commands.Observed, commands.Verdict)


class Workers:
    """All workers of a run."""

    def __init__(self, processes: Sequence[ChildProcess]) -> None:
        self._processes = processes
        self._decode = msgspec.json.Decoder(commands.Answer).decode

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in self._processes]

    async def each(self, orders: Sequence[commands.Command]) -> None:
        """Send each worker its own command, whose answer is `Done`."""
        await asyncio.gather(
            *(self._ask(process, order, commands.Done) for process, order in zip(self._processes, orders, strict=True))
        )

    async def all(self, order: commands.Command) -> None:
        """Send all workers a command whose answer is `Done`."""
        await self.each([order] * len(self._processes))

    async def report(self) -> commands.Observed:
        """What all have seen since the last report."""
        reports = await self._ask_all(commands.Report(), commands.Observed)
        return commands.Observed(
            sum(report.connections for report in reports),
            sum(report.size_bytes for report in reports),
            [ms for report in reports for ms in report.connect_ms],
            [ms for report in reports for ms in report.first_state_ms],
            [breach for report in reports for breach in report.breaches],
            sum(report.retries for report in reports),
            any(report.is_busy for report in reports),
        )

    async def verify(self, order: commands.Verify) -> commands.Verdict:
        """The verdict on all clients."""
        verdicts = await self._ask_all(order, commands.Verdict)
        return commands.Verdict(
            sum(verdict.exact for verdict in verdicts),
            sum(verdict.undecided for verdict in verdicts),
            sum(verdict.events for verdict in verdicts),
            sum(verdict.wrong for verdict in verdicts),
            [breach for verdict in verdicts for breach in verdict.breaches],
        )

    async def _ask_all(self, order: commands.Command, expected: type[AnswerT]) -> list[AnswerT]:
        return await asyncio.gather(*(self._ask(process, order, expected) for process in self._processes))

    async def _ask(self, process: ChildProcess, order: commands.Command, expected: type[AnswerT]) -> AnswerT:
        answer = self._decode(await process.ask(msgspec.json.encode(order)))
        assert isinstance(answer, expected)  # noqa: S101 - each command's docstring names its answer
        return answer


@contextlib.asynccontextmanager
async def open_workers(count: int) -> AsyncIterator[Workers]:
    """Run ``count`` workers, and end them afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(module_process(["touchline_loadtest.swarm"], None)) for _ in range(count)
        ]
        yield Workers(processes)
