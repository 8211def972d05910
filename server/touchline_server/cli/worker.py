"""A worker's process, which `touchline serve` starts: ``python -m touchline_server.cli.worker NAME FD STACKS_FD``.

The name is there for ``ps``. ``FD`` is the number of the socket to the supervisor, which says everything else.
``STACKS_FD`` is that of a file for the stacks of its threads, if the process hangs or crashes.

Exit codes are those of ``touchline serve``. An error that the user can fix is reported by the supervisor.
"""

import asyncio
import signal
import socket
import sys

import uvloop

from touchline_protocol.errors import TouchlineError
from touchline_server.node.collector import freeze, make_collections_rare
from touchline_server.node.process_log import (
    ends_in_time,
    failures_logged,
    log_second_signal,
    log_signal,
    log_unexpected,
)
from touchline_server.node.signals import run_until, stop_on_signals
from touchline_server.node.supervisor.channel import read_start
from touchline_server.node.supervisor.messages import Start
from touchline_server.node.supervisor.stacks import write_stacks_to
from touchline_server.node.supervisor.worker import Worker, settings_of
from touchline_server.server_log.setup import server_log

from .exit_codes import USER_ERROR


def main() -> int:
    """Run the worker to its end; returns its exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor has it reload
    write_stacks_to(int(sys.argv[3]))
    with socket.socket(fileno=int(sys.argv[2])) as sock:
        try:
            start = read_start(sock)
        except EOFError:
            return 0
        settings = settings_of(start.settings)
        with (
            server_log(settings.logging.format, settings.logging.level, settings.edge_name, worker=start.name),
            failures_logged(settings),
        ):
            make_collections_rare()
            return uvloop.run(_work(sock.dup(), start))


async def _work(sock: socket.socket, start: Start) -> int:
    asyncio.get_running_loop().set_exception_handler(log_unexpected)
    stop = stop_on_signals(log_signal, log_second_signal)
    worker = Worker(stop)
    await worker.connect(sock)
    try:
        await _serve(worker, start, stop)
    except TouchlineError as error:
        worker.failed(str(error))
        return USER_ERROR
    finally:
        worker.close()
        await asyncio.sleep(0)  # closing takes a turn
    return 0


async def _serve(worker: Worker, start: Start, stop: asyncio.Event) -> None:
    node = worker.make_node(start)
    try:
        if await run_until(stop, node.start()):
            freeze()
            worker.serving()
            with ends_in_time(node.settings.stop_s):
                await run_until(stop, node.failed())
    finally:
        await node.stop()


if __name__ == "__main__":
    sys.exit(main())
