"""The crowd's process: ``python -m touchline_loadtest.crowd``. It holds the clients that only count, apart from the
process that publishes and measures, so that neither waits for the other.

Commands come on its standard input, and each is answered on the standard output (`crowd_words.py`). It ends with its
input. It gives way to the measuring process, with which it shares a core (`NICENESS`).
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from . import crowd_words as words
from . import wire
from .counting import CountingClients
from .joining import Joining, Plan
from .spans import Spans

NICENESS = 5
"""A third of the weight that the measuring process has on their core."""
STARTED_PER_TURN = 64
"""Clients that begin to connect before those that are on their way are looked at again."""
CHECK_S = 0.002
"""How often it is looked at whether what is waited for has come."""
COMMAND_BYTES = 64 * 1024


class Waiting(NamedTuple):
    """A command that is answered later. ``go_on`` is what has to be done for it, and returns whether there was any."""

    until_s: float
    is_done: Callable[[], bool]
    lacking: Callable[[], str]
    go_on: Callable[[], bool] = lambda: False


class Crowd:
    """Takes the commands of one input, one after the other."""

    def __init__(self, input_fd: int) -> None:
        self._input_fd = input_fd
        self._received = b""
        self._ended = False
        self._clients = CountingClients()
        self._clients.watch(input_fd, self._read_commands)
        self._groups: list[list[int]] = []
        self._paused: set[int] = set()
        self._rest_s = 0.0
        self._waiting: Waiting | None = None
        self._decode = msgspec.json.Decoder(words.Command).decode

    def run(self) -> None:
        """Until the input ends."""
        while not self._ended:
            if self._waiting is None:
                self._clients.sweep(None)
                if self._rest_s:
                    time.sleep(self._rest_s)
            else:
                self._clients.sweep(0 if self._waiting.go_on() else CHECK_S)
                self._look_after(self._waiting)

    def _read_commands(self) -> None:
        data = os.read(self._input_fd, COMMAND_BYTES)
        self._ended = not data
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(self._decode(line))

    def _take(self, command: words.Command) -> None:
        clients = self._clients
        answer: words.Answer = words.Done()
        match command:
            case words.Connect():
                self._waiting = self._connecting(command)
                return
            case words.Await():
                self._waiting = self._awaiting(command)
                return
            case words.Look():
                answer = words.Looked(clients.reads, sum(clients.totals.values()), self._unlike(command.targets_bytes))
            case words.When():
                answer = words.Times(*(clients.spans or Spans()).passed(command.ends_bytes))
            case words.Record():
                clients.spans = Spans()
            case words.Pace():
                self._rest_s = command.rest_s
            case words.Pause():
                self._pause(self._groups[command.group], command.count)
            case words.Resume():
                self._resume()
        self._answer(answer)

    def _answer(self, answer: words.Answer) -> None:
        """Answer, with `Failed` where a client was lost, whatever was asked."""
        lost = self._clients.lost
        if lost:
            answer = words.Failed(f"{len(lost)} clients were lost, the first one since {lost[0]}")
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()

    def _look_after(self, waiting: Waiting) -> None:
        answer: words.Answer = words.Done()
        if not waiting.is_done() and not self._clients.lost:
            if time.monotonic() < waiting.until_s:
                return
            answer = words.Failed(waiting.lacking())
        self._waiting = None
        self._answer(answer)

    def _connecting(self, command: words.Connect) -> Waiting:
        clients = self._clients
        while len(self._groups) <= command.group:
            self._groups.append([])
        group = self._groups[command.group]
        plan = Plan(
            wire.opening("127.0.0.1", command.port) if command.handshake else b"",
            b"" if command.request is None else wire.greeting(command.request),
        )
        joined, began = clients.joined, len(group)

        def start_some() -> bool:
            started, there = len(group) - began, clients.joined - joined
            number = min(STARTED_PER_TURN, command.count - started, command.at_once - (started - there))
            for _ in range(number):
                group.append(Joining(clients, plan, command.port, command.receive_buffer_bytes).number)
            return number > 0

        return Waiting(
            time.monotonic() + command.timeout_s,
            lambda: clients.joined - joined >= command.count,
            lambda: (
                f"in {command.timeout_s:g} s not all clients joined: {clients.joined - joined} of {command.count} did"
            ),
            start_some,
        )

    def _awaiting(self, command: words.Await) -> Waiting:
        totals = self._clients.totals

        def lacking() -> Iterator[int]:
            return (
                number
                for group, target in zip(self._groups, command.targets_bytes, strict=True)
                for number in group
                if totals[number] < target and number not in self._paused
            )

        return Waiting(
            time.monotonic() + command.timeout_s,
            lambda: next(lacking(), None) is None,
            lambda: (
                f"in {command.timeout_s:g} s not all events came: {len(list(lacking()))} of {len(totals)} lack some"
            ),
        )

    def _unlike(self, targets_bytes: Sequence[int]) -> int:
        """How many clients have not exactly the bytes of their group, of the groups that a target is given for."""
        totals = self._clients.totals
        return sum(
            totals[number] != target
            for group, target in zip(self._groups, targets_bytes, strict=False)
            for number in group
        )

    def _pause(self, group: Sequence[int], count: int) -> None:
        for number in [number for number in group if number not in self._paused][:count]:
            self._clients.pause(number)
            self._paused.add(number)

    def _resume(self) -> None:
        for number in self._paused:
            self._clients.resume(number)
        self._paused.clear()


if __name__ == "__main__":
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the measuring process, which ends this one
    gc.disable()  # what it makes has no cycles, and all clients' objects would be looked through again and again
    Crowd(sys.stdin.fileno()).run()
