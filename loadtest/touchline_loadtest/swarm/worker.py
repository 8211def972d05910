"""A worker: holds its share of the counters, and carries out the commands of its standard input (`commands.py`)."""

import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.counters.pool import CounterPool

from . import commands
from .counting_client import CountingClient
from .ledger import Account, check_counted

CHECK_S = 0.005
"""How often a command that waits is checked."""
REST_S = 0.002
"""The pause after each round of reads: several events are then read at once, which lets a core hold more clients."""
RETRY_S = (0.2, 2.0)
"""The range of the pause before a client tries again."""
COMMAND_BYTES = 1 << 20
BREACHES_MAX = 20
"""Clients that one answer names."""


class _Pending(NamedTuple):
    """A command that is under way. ``advance`` does its next part; returns whether it is done. ``expire`` gives up."""

    until_s: float
    advance: Callable[[], bool]
    expire: Callable[[], None]


class Worker:
    """Carries out the commands of one input, one after the other."""

    def __init__(self, input_fd: int) -> None:
        self._input_fd = input_fd
        self._unread = b""
        self._ended = False
        self._orders: deque[commands.Command] = deque()
        self._pool = CounterPool()
        self._pool.on_lost = self._lose
        self._pool.watch(input_fd, self._read_commands)
        self._clients: dict[int, CountingClient] = {}
        self._lost: list[CountingClient] = []
        self._pending: _Pending | None = None
        self._connect_ms: list[float] = []
        self._first_state_ms: list[float] = []
        self._started_ns: dict[str, int] = {}
        self._again: deque[tuple[float, commands.Client]] = deque()
        self._retries = 0
        self._breaches: list[Breach] = []
        self._reported_bytes = 0
        self._gone_bytes = 0
        self._decode = msgspec.json.Decoder(commands.Command).decode

    def run(self) -> None:
        """Run until the input ends."""
        while not self._ended:
            self._pool.sweep(None if self._pending is None else CHECK_S)
            while self._orders:  # not within the sweep, which may still have to serve clients that an order would cut
                self._execute(self._orders.popleft())
            if self._pending is None:
                time.sleep(REST_S)
            elif self._pending.advance():
                self._pending = None
            elif time.monotonic() > self._pending.until_s:
                self._pending.expire()
                self._pending = None

    def _read_commands(self) -> None:
        data = os.read(self._input_fd, COMMAND_BYTES)
        self._ended = not data
        *lines, self._unread = (self._unread + data).split(b"\n")
        self._orders.extend(map(self._decode, lines))

    def _execute(self, command: commands.Command) -> None:
        answer: commands.Answer = commands.Done()
        match command:
            case commands.Connect():
                self._connect(command)
            case commands.Cut():
                self._cut()
            case commands.Leave():
                self._leave(command)
            case commands.Report():
                answer = self._report()
            case commands.Verify():
                answer = self._verify(command)
        self._answer(answer)

    def _answer(self, answer: commands.Answer) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()

    def _lose(self, number: int, reason: str) -> None:
        client = self._clients.pop(number, None)
        if client is None:
            return  # its attempt to connect has failed at once
        self._gone_bytes += self._pool.totals.pop(number, 0)
        if client.timed_out:
            client.lost = True
            self._retries += 1
            self._again.append((time.monotonic() + random.uniform(*RETRY_S), client.client))  # noqa: S311 - no secret
        else:
            client.lose(reason)
            self._lost.append(client)

    def _connect(self, command: commands.Connect) -> None:
        began_s = time.monotonic()
        self._started_ns.clear()
        waiting = deque(command.clients)
        coming: list[CountingClient] = []

        def advance() -> bool:
            coming[:] = [client for client in coming if not client.is_in]
            while self._again and self._again[0][0] <= time.monotonic():
                coming.append(self._start(self._again.popleft()[1], command))
            while waiting and len(coming) < command.at_once and time.monotonic() - began_s >= waiting[0].at_s:
                coming.append(self._start(waiting.popleft(), command))
            return not waiting and not coming and not self._again

        def expire() -> None:
            reason = f"it was not in its rooms after {command.timeout_s:g} s"
            for described in (*waiting, *(described for _, described in self._again)):
                self._breaches.append(Breach("never_joined", described.name, reason))
            self._again.clear()
            for client in coming:
                if not client.lost:
                    self._pool.lose(client.number, reason)

        self._pending = _Pending(began_s + command.timeout_s, advance, expire)

    def _start(self, described: commands.Client, command: commands.Connect) -> CountingClient:
        client = CountingClient(
            self._pool,
            described,
            command.cursors,
            command.token,
            self._connect_ms,
            self._first_state_ms,
            self._started_ns.setdefault(described.name, time.monotonic_ns()),
        )
        if client.number < 0:
            client.lose(self._pool.lost[-1])
            self._lost.append(client)
        else:
            self._clients[client.number] = client
        return client

    def _cut(self) -> None:
        for number in self._clients:
            self._gone_bytes += self._pool.totals.pop(number, 0)
            self._pool.close(number)
        self._clients.clear()

    def _leave(self, command: commands.Leave) -> None:
        began_s = time.monotonic()
        has_asked = False
        for client in list(self._clients.values()):
            client.read_again()

        def advance() -> bool:
            nonlocal has_asked
            if not has_asked and time.monotonic() - began_s >= command.read_s:
                has_asked = True
                for client in list(self._clients.values()):
                    client.leave()
            return has_asked and all(client.has_left for client in self._clients.values())

        self._pending = _Pending(began_s + command.timeout_s, advance, lambda: None)

    def _report(self) -> commands.Observed:
        breaches = [found for client in (*self._lost, *self._clients.values()) for found in client.breaches]
        breaches += self._breaches
        self._breaches.clear()
        for client in self._clients.values():
            client.breaches.clear()
        self._lost.clear()
        size = self._gone_bytes + sum(self._pool.totals.values())
        observed = commands.Observed(
            sum(client.is_in for client in self._clients.values()),
            size - self._reported_bytes,
            self._connect_ms[:],
            self._first_state_ms[:],
            breaches,
            self._retries,
            self._pending is not None,
        )
        self._connect_ms.clear()
        self._first_state_ms.clear()
        self._reported_bytes = size
        self._retries = 0
        return observed

    def _verify(self, command: commands.Verify) -> commands.Verdict:
        verdict = commands.Verdict(0, 0, 0, 0, [])
        for client in self._clients.values():
            account = Account(wrong="the server did not confirm that it left its rooms")
            if client.has_left:
                account = check_counted(client.counted(), command.ledgers)
            verdict.events += account.events
            verdict.undecided += account.undecided
            verdict.exact += not account.undecided and not account.wrong
            verdict.wrong += bool(account.wrong)
            if account.wrong and len(verdict.breaches) < BREACHES_MAX:
                verdict.breaches.append(Breach("wrong_bytes", client.client.name, account.wrong))
        return verdict
