"""The one thread that uses the embedded log's file, so that the event loop never waits for the disk.

Rules:

1. Waiting appends are written together in one transaction (a group commit), so they share the cost of syncing to the
   disk. No append waits for others to arrive.
2. Requests are carried out in order. All requests made before `StoreThread.stop` are carried out before it ends.
3. One turn does a group of appends, then the other requests, then a bit of retention.
4. An unexpected exception in the thread is a bug of ours: the thread ends, all waiting requests fail, and
   `raise_failure` says why.
5. The number of waiting requests is bounded by the callers: each waits for its own append.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import AppendFailed, Position

from .records import Write, Written
from .retention import TRIM_FACTOR, TRIM_RECORDS_MAX, retain
from .schema import FileLost, in_words
from .store import Store

GROUP_RECORDS_MAX = 1_000
GROUP_BYTES_MAX = 8 << 20
"""Records written in one transaction, unless a single append is larger: some 30 ms of work, during which all others
wait. Larger groups are not faster: at this size the disk's share of the time is small."""
TICK_S = 5.0
"""How often an idle thread applies retention by age, tries a failed file again, and checks for a deleted one."""

WRITING = "writing"
READING = "reading"
FAILURE = "log"
"""The key of a problem."""

BROKEN = "the embedded log has failed by a mistake in touchline, restart it and report what its log says"

T = TypeVar("T")


class _Append(NamedTuple):
    write: Write
    future: asyncio.Future[Sequence[Position]]


class _Call(NamedTuple):
    function: Callable[[Store], Any]
    future: asyncio.Future[Any]


_Job: TypeAlias = _Append | _Call | None
"""None is the last request: it ends the thread."""


class StoreThread:
    """Runs appends and other calls on a `Store`.

    ``on_written`` is called in the event loop for each transaction, before its appends return. ``problems`` changes
    only in the event loop.
    """

    def __init__(self, make: Callable[[], Store], on_written: Callable[[Written], None]) -> None:
        self.problems: dict[str, str] = {}
        self._make = make
        self._on_written = on_written
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._failure: Exception | None = None
        self._appending: set[asyncio.Future[Sequence[Position]]] = set()
        self._calling: set[asyncio.Future[Any]] = set()
        """The callers that wait for an answer. Only the event loop knows all of them if the thread fails."""
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._taken: deque[_Job] = deque()
        self._more_to_trim = False
        self._told: dict[str, str] = {}
        """The thread's view of ``problems``."""
        self._thread = threading.Thread(target=self._run, name="sqlite-log", daemon=True)

    async def start(self) -> None:
        """Open the store. Raises whatever opening it raises."""
        self._thread.start()
        await asyncio.shield(self._opened)

    async def append(self, write: Write) -> list[Position]:
        """See `core.log.Log.append`."""
        if self._closing:
            raise AppendFailed("the log is closed, so nothing can be appended")
        if self._failure is not None:
            raise AppendFailed(f"nothing was appended to {write.topic}: {BROKEN}")
        future: asyncio.Future[Sequence[Position]] = self._loop.create_future()
        self._appending.add(future)
        future.add_done_callback(self._appending.discard)
        self._jobs.put(_Append(write, future))
        return list(await future)

    async def call(self, function: Callable[[Store], T]) -> T:
        """Run ``function`` on the store, and return its result.

        Raises:
            LogUnavailable: the file could not be read, or is closed. Also, whatever ``function`` raises.
        """
        if self._closing:
            raise LogUnavailable("the log is closed, so it cannot be read")
        if self._failure is not None:
            raise LogUnavailable(BROKEN)
        future: asyncio.Future[T] = self._loop.create_future()
        self._calling.add(future)
        future.add_done_callback(self._calling.discard)
        self._jobs.put(_Call(function, future))
        return await future

    async def stop(self) -> None:
        """Carry out all requests, and close the store. May be called twice."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
        await asyncio.shield(self._ended)

    def raise_failure(self) -> None:
        """Raise a RuntimeError if a bug of ours, its cause, has ended the thread."""
        if self._failure is not None:
            raise RuntimeError(BROKEN) from self._failure

    def _failed(self, error: Exception) -> None:
        """The thread has ended, and answers no more requests."""
        self._failure = error
        self.problems[FAILURE] = BROKEN
        for append in list(self._appending):
            _settle(append, AppendFailed(f"whether this was appended is not known: {BROKEN}"))
        for call in list(self._calling):
            _settle(call, LogUnavailable(BROKEN))

    def _succeeded(self, futures: Sequence[asyncio.Future[Any]], written: Written) -> None:
        self._on_written(written)
        for future, positions in zip(futures, written.positions, strict=True):
            _settle(future, positions)

    # Everything below runs in the thread.

    def _run(self) -> None:
        try:
            store = self._make()
        except Exception as error:  # noqa: BLE001  # raised where the log is opened
            self._closing = True
            self._in_loop(_settle, self._opened, error)
            self._in_loop(_settle, self._ended, None)
            return
        self._in_loop(_settle, self._opened, None)
        try:
            with contextlib.closing(store):
                while self._turn(store) and not self._loop.is_closed():
                    pass
        except Exception as error:  # noqa: BLE001  # no caller may wait for an answer forever
            self._in_loop(self._failed, error)
        finally:
            self._in_loop(_settle, self._ended, None)

    def _in_loop(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed before the log: nobody is left to tell
            self._loop.call_soon_threadsafe(function, *arguments)

    def _turn(self, store: Store) -> bool:
        """Carry out the current requests. Returns whether to continue."""
        self._take()
        appends: list[_Append] = []
        calls: list[_Call] = []
        records = size_bytes = 0
        idle = not self._taken
        going_on = True
        while self._taken and records < GROUP_RECORDS_MAX and size_bytes < GROUP_BYTES_MAX and going_on:
            job = self._taken.popleft()
            if isinstance(job, _Append):
                appends.append(job)
                records += len(job.write.entries)
                size_bytes += sum(len(entry.value or b"") for entry in job.write.entries)
            elif isinstance(job, _Call):
                calls.append(job)
            else:
                going_on = False
        if appends:
            self._append(store, appends)
        for call in calls:
            self._call(store, call)
        self._retain(store, max(TRIM_RECORDS_MAX, TRIM_FACTOR * records), probe=idle)
        return going_on

    def _take(self) -> None:
        """Wait for requests, and take all of them."""
        if not self._taken:
            with contextlib.suppress(queue.Empty):
                self._taken.append(self._jobs.get(timeout=0 if self._more_to_trim else TICK_S))
        for _ in range(self._jobs.qsize()):
            self._taken.append(self._jobs.get())

    def _append(self, store: Store, jobs: Sequence[_Append]) -> None:
        try:
            written = store.append([job.write for job in jobs])
        except Exception as error:  # noqa: BLE001  # raised where the append was requested
            if len(jobs) == 1:
                self._append_failed(jobs[0], error)
                return
            for job in jobs:  # one bad append must not fail the others
                self._append(store, [job])
            return
        self._problem(WRITING, None)
        self._in_loop(self._succeeded, [job.future for job in jobs], written)

    def _append_failed(self, job: _Append, error: Exception) -> None:
        if isinstance(error, (sqlite3.Error, FileLost)):
            self._problem(WRITING, f"nothing can be appended: {in_words(error)}")
            error = AppendFailed(f"nothing was appended to {job.write.topic}: {in_words(error)}")
        self._in_loop(_settle, job.future, error)

    def _call(self, store: Store, call: _Call) -> None:
        answer: object
        try:
            answer = call.function(store)
            self._problem(READING, None)
        except sqlite3.Error as error:
            self._problem(READING, f"the log's file does not answer: {in_words(error)}")
            answer = LogUnavailable(f"the log's file does not answer: {in_words(error)}")
        except Exception as error:  # noqa: BLE001  # raised where the call was requested
            answer = error
        self._in_loop(_settle, call.future, answer)

    def _retain(self, store: Store, records_max: int, *, probe: bool) -> None:
        """Do a bit of retention. ``probe``: if writing failed, test whether it still does."""
        try:
            store.files.check()
            self._more_to_trim = retain(store, records_max)
            if probe and WRITING in self._told:
                store.probe()
                self._problem(WRITING, None)
        except FileLost as error:
            self._more_to_trim = False
            self._problem(WRITING, f"nothing can be appended: {error}")
        except sqlite3.Error as error:
            self._more_to_trim = False
            self._problem(WRITING, f"old records cannot be removed: {in_words(error)}")

    def _problem(self, concerns: str, text: str | None) -> None:
        """Report a problem, or its end, once."""
        if self._told.get(concerns) == text:
            return
        if text is None:
            del self._told[concerns]
            self._in_loop(self.problems.pop, concerns, None)
        else:
            self._told[concerns] = text
            self._in_loop(self.problems.__setitem__, concerns, text)


def _settle(future: asyncio.Future[Any], answer: object) -> None:
    """Give a future its result, or an exception if the answer is one, unless nobody waits for it any more."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
