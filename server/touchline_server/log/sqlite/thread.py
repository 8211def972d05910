"""The one thread that uses the embedded log's file, so that the event loop never waits for the disk.

Rules:

1. Appends that are waiting share one transaction (a group commit), and with it the cost of syncing to disk. An append
   never waits for others to join it.
2. Jobs run in the order in which they were submitted. Jobs submitted before `StoreThread.stop` still run.
3. Each round runs a group of appends, then the other calls, then a bit of retention.
4. An unexpected exception is a bug of ours: the thread ends, everything that waits fails, and `raise_failure` raises.
5. Nothing here bounds the queue: its length is bounded by the number of callers, each of which awaits its own append.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from touchline_protocol.errors import LogUnavailable, TopicRefused
from touchline_server.core.log import AppendFailed, Position

from .file_guard import FileFault
from .records import Append, Commit
from .retention import TRIM_FACTOR, TRIM_RECORDS_MAX, enforce_retention
from .schema import describe, is_damage
from .store import Store

GROUP_RECORDS_MAX = 1_000
GROUP_BYTES_MAX = 8 << 20
"""Limits of one transaction, unless a single append exceeds them: about 30 ms of work, while everybody else waits.
Larger groups are not faster: at this size, the sync to disk takes little of the time."""
TICK_S = 5.0
"""How often an idle thread applies retention by age, retries a file that failed, and checks that the file still
exists. Also how often a part of the file is read to find damage."""

WRITING = "writing"
READING = "reading"
MARKING = "marking"
DAMAGE = "damage"
FAILURE = "log"
"""The keys of `StoreThread.problems`."""

BROKEN = "the embedded log failed because of a bug in touchline: restart it, and report the error in its output"

T = TypeVar("T")


class _AppendJob(NamedTuple):
    append: Append
    future: asyncio.Future[Sequence[Position]]


class _CallJob(NamedTuple):
    function: Callable[[Store], Any]
    future: asyncio.Future[Any]


_Job: TypeAlias = _AppendJob | _CallJob | None
"""None is the last job: it ends the thread."""


class StoreThread:
    """Runs appends and other calls on a `Store` in a thread of its own.

    ``on_commit`` runs in the event loop once for each transaction, before its appends return. ``problems`` also changes
    only in the event loop.
    """

    def __init__(self, open_store: Callable[[], Store], on_commit: Callable[[Commit], None]) -> None:
        self.problems: dict[str, str] = {}
        self._open_store = open_store
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._failure: Exception | None = None
        self._pending_appends: set[asyncio.Future[Sequence[Position]]] = set()
        self._pending_calls: set[asyncio.Future[Any]] = set()
        """Futures of callers that wait. If the thread fails, only the event loop still knows all of them."""
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._backlog: deque[_Job] = deque()
        self._more_to_trim = False
        self._scrub_due_s = 0.0
        self._reported: dict[str, str] = {}
        """The thread's own view of ``problems``."""
        self._thread = threading.Thread(target=self._run, name="sqlite-log", daemon=True)

    async def start(self) -> None:
        """Start the thread and open the store. Raises whatever opening it raises."""
        self._thread.start()
        await asyncio.shield(self._started)

    async def append(self, append: Append) -> list[Position]:
        """See `core.log.Log.append`."""
        if self._closing:
            raise AppendFailed("the log is closed, so nothing can be appended")
        if self._failure is not None:
            raise AppendFailed(f"nothing was appended to {append.topic}: {BROKEN}")
        future: asyncio.Future[Sequence[Position]] = self._loop.create_future()
        self._pending_appends.add(future)
        future.add_done_callback(self._pending_appends.discard)
        self._jobs.put(_AppendJob(append, future))
        return list(await future)

    async def call(self, function: Callable[[Store], T]) -> T:
        """Run ``function`` on the store and return its result.

        Raises:
            LogUnavailable: the file could not be read, or the log is closed.
            Exception: whatever else ``function`` raises.
        """
        if self._closing:
            raise LogUnavailable("the log is closed, so it cannot be read")
        if self._failure is not None:
            raise LogUnavailable(BROKEN)
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending_calls.add(future)
        future.add_done_callback(self._pending_calls.discard)
        self._jobs.put(_CallJob(function, future))
        return await future

    async def stop(self) -> None:
        """Finish the jobs submitted so far and close the store. May be called twice."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
        await asyncio.shield(self._ended)

    def raise_failure(self) -> None:
        """Raise a RuntimeError if a bug of ours ended the thread. Its cause is the original exception."""
        if self._failure is not None:
            raise RuntimeError(BROKEN) from self._failure

    def _fail(self, error: Exception) -> None:
        """The thread has ended: fail everything that still waits for it."""
        self._failure = error
        self.problems[FAILURE] = BROKEN
        for append in list(self._pending_appends):
            _resolve(append, AppendFailed(f"the records may or may not have been appended: {BROKEN}"))
        for call in list(self._pending_calls):
            _resolve(call, LogUnavailable(BROKEN))

    def _finish_appends(self, futures: Sequence[asyncio.Future[Any]], commit: Commit) -> None:
        self._on_commit(commit)
        for future, positions in zip(futures, commit.positions, strict=True):
            _resolve(future, positions)

    # Everything below runs in the thread.

    def _run(self) -> None:
        try:
            store = self._open_store()
        except Exception as error:  # noqa: BLE001  # raised where the log is opened
            self._closing = True
            self._in_loop(_resolve, self._started, error)
            self._in_loop(_resolve, self._ended, None)
            return
        self._in_loop(_resolve, self._started, None)
        try:
            with contextlib.closing(store):
                while self._run_round(store) and not self._loop.is_closed():
                    pass
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody may wait forever
            self._in_loop(self._fail, error)
        finally:
            self._in_loop(_resolve, self._ended, None)

    def _in_loop(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the log: nobody is waiting
            self._loop.call_soon_threadsafe(function, *arguments)

    def _run_round(self, store: Store) -> bool:
        """Run the jobs that are waiting, up to the limits of a group. Returns whether to continue."""
        self._collect()
        appends: list[_AppendJob] = []
        calls: list[_CallJob] = []
        records = size_bytes = 0
        idle = not self._backlog
        ends = False
        while self._backlog and records < GROUP_RECORDS_MAX and size_bytes < GROUP_BYTES_MAX and not ends:
            job = self._backlog.popleft()
            if isinstance(job, _AppendJob):
                appends.append(job)
                records += len(job.append.entries)
                size_bytes += sum(len(entry.value or b"") for entry in job.append.entries)
            elif isinstance(job, _CallJob):
                calls.append(job)
            else:
                ends = True
        if appends:
            self._append(store, appends)
        for call in calls:
            self._call(store, call)
        self._maintain(store, max(TRIM_RECORDS_MAX, TRIM_FACTOR * records), probe=idle)
        return not ends

    def _collect(self) -> None:
        """Wait for a job, then take all that are queued."""
        if not self._backlog:
            with contextlib.suppress(queue.Empty):
                self._backlog.append(self._jobs.get(timeout=0 if self._more_to_trim else TICK_S))
        for _ in range(self._jobs.qsize()):
            self._backlog.append(self._jobs.get())

    def _append(self, store: Store, jobs: Sequence[_AppendJob]) -> None:
        try:
            commit = store.append([job.append for job in jobs])
        except Exception as error:  # noqa: BLE001  # raised where the append was requested
            self._note(store, error)
            if len(jobs) == 1:
                self._fail_append(jobs[0], error)
                return
            for job in jobs:  # one bad append must not fail the others
                self._append(store, [job])
            return
        self._report(WRITING, None)
        self._report(MARKING, store.mark.problem)
        self._in_loop(self._finish_appends, [job.future for job in jobs], commit)

    def _fail_append(self, job: _AppendJob, error: Exception) -> None:
        if is_damage(error):
            error = TopicRefused(f"nothing is appended to {job.append.topic}: {describe(error)}")
        elif isinstance(error, (sqlite3.Error, FileFault)):
            self._report(WRITING, f"nothing can be appended: {describe(error)}")
            error = AppendFailed(f"nothing was appended to {job.append.topic}: {describe(error)}")
        self._in_loop(_resolve, job.future, error)

    def _call(self, store: Store, call: _CallJob) -> None:
        result: object
        try:
            result = call.function(store)
            self._report(READING, None)
        except sqlite3.Error as error:
            self._note(store, error)
            problem = f"the log's file cannot be read: {describe(error)}"
            self._report(READING, problem)
            result = LogUnavailable(problem)
        except FileFault as error:
            result = (TopicRefused if is_damage(error) else LogUnavailable)(f"the log cannot be written to: {error}")
        except Exception as error:  # noqa: BLE001  # raised where the call was requested
            result = error
        self._in_loop(_resolve, call.future, result)

    def _maintain(self, store: Store, records_max: int, *, probe: bool) -> None:
        """Apply a bit of retention, and read a part of the file if that is due. With ``probe``, also test whether a
        file that failed can be written to again: while the log is unavailable, no append may come to find out."""
        try:
            store.files.check()
            self._scrub(store)
            self._more_to_trim = enforce_retention(store, records_max)
            if probe and WRITING in self._reported:
                store.probe()
                self._report(WRITING, None)
        except (sqlite3.Error, FileFault) as error:
            self._more_to_trim = False
            self._note(store, error)
            if store.damage is None:
                what = "nothing can be appended" if isinstance(error, FileFault) else "old records cannot be removed"
                self._report(WRITING, f"{what}: {describe(error)}")

    def _scrub(self, store: Store) -> None:
        if (now_s := time.monotonic()) >= self._scrub_due_s:
            self._scrub_due_s = now_s + TICK_S
            store.scrub()

    def _note(self, store: Store, error: Exception) -> None:
        store.note(error)
        self._report(DAMAGE, store.damage)

    def _report(self, key: str, problem: str | None) -> None:
        """Set a problem, or clear it with None. Does nothing if that is how it already stands."""
        if self._reported.get(key) == problem:
            return
        if problem is None:
            del self._reported[key]
            self._in_loop(self.problems.pop, key, None)
        else:
            self._reported[key] = problem
            self._in_loop(self.problems.__setitem__, key, problem)


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    """Give a future its result, or its exception if the result is one, unless its caller has stopped waiting."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
