"""One Locust process from its start to its exit: it begins the run, ends it, and judges it."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.log import greenlet_exception_logger
from locust.runners import STATE_INIT, STATE_STOPPED, MasterRunner, WorkerRunner
from locust.stats import console_logger

from touchline_loadtest.locust.results.thresholds import joins, verdict
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.records import SummaryRow
from touchline_protocol.errors import OperatorError

from .distributed import Master, Worker
from .mirror import Outbox
from .options import RECORDED, given
from .process import LoadProcess, load_process
from .run_folder import RunFolder, began_ms_of, begin_run, join_run

MIRROR_S = 2.0
"""How often a worker sends what it has recorded, and a master looks for faults."""
BEGAN = "touchline_run_began_ms"
"""The name under which workers learn which run they belong to. Locust sends them all options."""
EXIT_FAILED = 1
EXIT_USER_ERROR = 2

log = logging.getLogger("touchline.loadtest")


class LocustSession:
    """One process, which may run several tests one after the other."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._process: LoadProcess = load_process(environment)
        self._folder: RunFolder | None = None
        self._outbox: Outbox | None = None
        self._told: set[float] = set()
        self._master: Master | None = None
        self._worker: Worker | None = None
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            self._master = Master(runner, self._path, self._process.latency)
        elif isinstance(runner, WorkerRunner):
            self._worker = Worker(
                runner, self._process.latency, fault=self._process.surprises.fault, chunks=self._chunks
            )
        if self._worker is None:
            self._check_users()
            self._begin_run()
        exchange = gevent.spawn(self._exchange)
        exchange.link_exception(greenlet_exception_logger(log))  # type: ignore[no-untyped-call]

    def test_start(self) -> None:
        """A test starts."""
        if self._worker is not None:
            self._join_run()
        self._process.begin(self._folder)

    def test_stopping(self) -> None:
        """A test is about to stop: on a master, it ends here for all workers."""
        if self._master is not None:
            self._master.finish()

    def test_stop(self) -> None:
        """The users have stopped."""
        self._process.end()

    def quitting(self) -> None:
        """Judge the run, set the exit code, and end the run folder."""
        runner = self._environment.runner
        if runner is None:
            return
        if self._worker is not None:
            self._leave_run()
            return
        if runner.state not in (STATE_INIT, STATE_STOPPED):
            runner.stop()
        table = self._process.stats.table()
        rows = verdict(given(self._environment, "fail_above") or (), table)
        if self._begins_by_itself and self._checks and not (joined := joins(table)).met:
            rows.append(joined)
        if rows:
            self._judge(rows)
        if self._folder is not None:
            self._folder.finish(rows, self._notes())
            self._leave_run()

    def _leave_run(self) -> None:
        folder, self._folder, self._process.folder = self._folder, None, None
        if folder is not None:
            folder.close()

    def _judge(self, rows: list[SummaryRow]) -> None:
        """Thresholds decide about the exit code, instead of Locust's own rule; exceptions in users always fail it."""
        for row in rows:
            measured = f"{row.measured} {row.unit}".strip()
            console_logger.info(f"{'met' if row.met else 'NOT MET':8}{row.what} {row.bound}: {measured}")
        runner = self._environment.runner
        failed = not all(row.met for row in rows) or bool(runner is not None and runner.exceptions)
        self._environment.process_exit_code = EXIT_FAILED if failed else 0

    def _notes(self) -> list[str]:
        latency = self._process.latency
        if not latency.early_count:
            return []
        return [
            f"{latency.early_count} events arrived up to {latency.early_ms_max:.0f} ms before they were published: "
            "the clocks of this machine and of the producer differ"
        ]

    def _check_users(self) -> None:
        """Refuse a run in which users could do nothing. With the web page, its fields may still change everything."""
        if not self._begins_by_itself:
            return
        try:
            for check in self._checks:
                check(self._environment)
        except OperatorError as error:
            sys.stderr.write(f"locust: error: {error}\n")
            sys.exit(EXIT_USER_ERROR)

    @property
    def _begins_by_itself(self) -> bool:
        """Whether the test begins without the web page."""
        options: Any = self._environment.parsed_options
        return options is not None and (options.headless or options.autostart)

    @property
    def _checks(self) -> list[Callable[[Environment], None]]:
        """What checks the settings of each class of users: those of this package have it."""
        checks = (getattr(user_class, "check", None) for user_class in self._environment.user_classes)
        return [check for check in checks if check is not None]

    def _begin_run(self) -> None:
        folder = given(self._environment, "run_folder")
        options = self._environment.parsed_options
        if folder is None or options is None:
            return
        settings = {name: value for name in RECORDED if (value := given(self._environment, name)) is not None}
        try:
            self._folder = begin_run(Path(folder), settings, users=self._master is None)
            setattr(options, BEGAN, began_ms_of(self._folder.path))
        except BadRun as error:
            sys.stderr.write(f"locust: error: {error}\n")
            sys.exit(EXIT_USER_ERROR)

    def _join_run(self) -> None:
        folder, began_ms = given(self._environment, "run_folder"), given(self._environment, BEGAN)
        if folder is None or began_ms is None or self._folder is not None:
            return
        self._folder = join_run(Path(folder), began_ms)
        self._outbox = None if self._folder.shared else Outbox(self._folder.path)

    def _path(self) -> Path | None:
        return None if self._folder is None else self._folder.path

    def _chunks(self) -> Any:
        return iter(()) if self._outbox is None else self._outbox.chunks()

    def _exchange(self) -> None:
        while True:
            gevent.sleep(MIRROR_S)
            if self._worker is not None:
                self._worker.send_files()
            elif self._master is not None and self._folder is not None:
                for mark in self._folder.faults():
                    if mark.at_ms not in self._told:
                        self._told.add(mark.at_ms)
                        self._master.fault(mark)
