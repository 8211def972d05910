"""The counters' process: reads from all clients, and carries out the commands that arrive on its standard input.

It runs apart from the process that publishes and measures, so that neither waits for the other. Each command is
answered on the standard output (`commands.py`). The process ends with its input.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.read_spans import ReadSpans
from touchline_loadtest.wire.greeting import greeting
from touchline_loadtest.wire.handshake import upgrade_request

from . import commands
from .event_counts import EventCounts
from .join import Join, Opening
from .pool import CounterPool
from .step_join import StepJoin

CONNECTS_PER_TURN = 64
"""Clients that begin to connect before the loop serves those that are already connecting."""
CHECK_S = 0.002
"""How often a pending command is checked."""
COMMAND_BYTES = 64 * 1024


class Pending(NamedTuple):
    """A command whose answer has to wait. ``advance`` does the next part of it; returns whether there was one."""

    until_s: float
    is_done: Callable[[], bool]
    failure: Callable[[], str]
    advance: Callable[[], bool] = lambda: False


class CommandLoop:
    """Carries out the commands of one input, one after the other."""

    def __init__(self, input_fd: int) -> None:
        self._input_fd = input_fd
        self._received = b""
        self._ended = False
        self._pool = CounterPool()
        self._pool.watch(input_fd, self._read_commands)
        self._groups: list[list[int]] = []
        self._counts: list[EventCounts] = []
        self._paused: set[int] = set()
        self._rest_s = 0.0
        self._pending: Pending | None = None
        self._decode = msgspec.json.Decoder(commands.Command).decode

    def run(self) -> None:
        """Run until the input ends."""
        while not self._ended:
            if self._pending is None:
                self._pool.sweep(None)
                if self._rest_s:
                    time.sleep(self._rest_s)
            else:
                self._pool.sweep(0 if self._pending.advance() else CHECK_S)
                self._check(self._pending)

    def _read_commands(self) -> None:
        data = os.read(self._input_fd, COMMAND_BYTES)
        self._ended = not data
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._execute(self._decode(line))

    def _execute(self, command: commands.Command) -> None:
        """Answer a command, or begin to carry it out."""
        self._pending = self._begin(command)
        if self._pending is None:
            self._answer(self._carry_out(command))

    def _begin(self, command: commands.Command) -> Pending | None:
        match command:
            case commands.Connect():
                return self._connect(command)
            case commands.ConnectBySteps():
                return self._connect_by_steps(command)
            case commands.Await():
                return self._await(command)
            case commands.AwaitEvents():
                return self._await_events(command)
        return None

    def _carry_out(self, command: commands.Command) -> commands.Answer:
        pool = self._pool
        match command:
            case commands.GetTotals():
                off_target = self._off_target(command.targets_bytes)
                return commands.Totals(pool.reads, sum(pool.totals.values()), off_target)
            case commands.GetEvents():
                return commands.Events(min(self._events(), default=0), max(self._events(), default=0))
            case commands.GetTimes():
                return commands.Times(*(pool.spans or ReadSpans()).crossings(command.ends_bytes))
            case commands.Record():
                pool.spans = ReadSpans()
            case commands.SetPace():
                self._rest_s = command.rest_s
            case commands.Pause():
                self._pause(self._groups[command.group], command.count)
            case commands.Resume():
                self._resume()
        return commands.Done()

    def _answer(self, answer: commands.Answer) -> None:
        """Answer a command. If a client was lost, the answer is always `Failed`."""
        lost = self._pool.lost
        if lost:
            answer = commands.Failed(f"{len(lost)} clients were lost; the first one: {lost[0]}")
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()

    def _check(self, pending: Pending) -> None:
        answer: commands.Answer = commands.Done()
        if not pending.is_done() and not self._pool.lost:
            if time.monotonic() < pending.until_s:
                return
            answer = commands.Failed(pending.failure())
        self._pending = None
        self._answer(answer)

    def _connect(self, command: commands.Connect) -> Pending:
        pool = self._pool
        while len(self._groups) <= command.group:
            self._groups.append([])
        group = self._groups[command.group]
        opening = Opening(
            upgrade_request("127.0.0.1", command.port) if command.handshake else b"",
            b"" if command.request is None else greeting(command.request),
        )
        return self._connecting(
            command,
            lambda: group.append(
                Join(pool, opening, command.port, command.receive_buffer_bytes, command.source).number
            ),
        )

    def _connect_by_steps(self, command: commands.ConnectBySteps) -> Pending:
        counts = EventCounts(command.mark)
        self._counts.append(counts)

        def connect_one() -> None:
            StepJoin(self._pool, counts, command.steps, command.port)

        return self._connecting(command, connect_one)

    def _connecting(
        self, command: commands.Connect | commands.ConnectBySteps, connect_one: Callable[[], None]
    ) -> Pending:
        pool, before, started = self._pool, self._pool.joined, 0

        def connect_some() -> bool:
            nonlocal started
            there = pool.joined - before
            number = min(CONNECTS_PER_TURN, command.count - started, command.at_once - (started - there))
            for _ in range(number):
                connect_one()
            started += max(0, number)
            return number > 0

        return Pending(
            time.monotonic() + command.timeout_s,
            lambda: pool.joined - before >= command.count,
            lambda: f"after {command.timeout_s:g} s only {pool.joined - before} of {command.count} clients joined",
            connect_some,
        )

    def _await(self, command: commands.Await) -> Pending:
        totals = self._pool.totals

        def lacking() -> Iterator[int]:
            return (
                number
                for group, target in zip(self._groups, command.targets_bytes, strict=True)
                for number in group
                if totals[number] < target and number not in self._paused
            )

        return Pending(
            time.monotonic() + command.timeout_s,
            lambda: next(lacking(), None) is None,
            lambda: f"after {command.timeout_s:g} s {len(list(lacking()))} of {len(totals)} clients lack events",
        )

    def _await_events(self, command: commands.AwaitEvents) -> Pending:
        return Pending(
            time.monotonic() + command.timeout_s,
            lambda: all(events >= command.events for events in self._events()),
            lambda: (
                f"after {command.timeout_s:g} s {sum(e < command.events for e in self._events())} clients lack events"
            ),
        )

    def _events(self) -> Iterator[int]:
        return (events for counts in self._counts for events in counts.events.values())

    def _off_target(self, targets_bytes: Sequence[int]) -> int:
        """How many clients do not have exactly their group's bytes; groups without a target are left out."""
        totals = self._pool.totals
        return sum(
            totals[number] != target
            for group, target in zip(self._groups, targets_bytes, strict=False)
            for number in group
        )

    def _pause(self, group: Sequence[int], count: int) -> None:
        for number in [number for number in group if number not in self._paused][:count]:
            self._pool.pause(number)
            self._paused.add(number)

    def _resume(self) -> None:
        for number in self._paused:
            self._pool.resume(number)
        self._paused.clear()
