"""How commands run their measurements, until these are done, fail, or are interrupted; and with which broker."""

import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
import uvloop

from touchline_cli.run import run_to_end
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_loadtest.rig.child import ChildFailed
from touchline_loadtest.rig.kafka.local import LocalKafka

from .exit_codes import Failed

ENDING = (signal.SIGINT, signal.SIGTERM)
"""The signals at which a command ends what it has started, and itself."""
LOCAL = "local"
"""``--kafka local`` starts a broker for the run."""

Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="A broker, or 'local' to start one for the run.")]

Found = TypeVar("Found")


def run_measurement(work: Coroutine[Any, Any, Found]) -> Found:
    """Run ``work``. Ctrl-C and SIGTERM cancel it, and so end all that it has started; a second one does not wait.

    Raises:
        Failed: the measurement failed.
        KeyboardInterrupt: it was interrupted.
    """
    try:
        return run_to_end(work, numbers=ENDING, run=uvloop.run)
    except (ChildFailed, ClientsFailed, ProcessFailed, httpx.HTTPError) as error:
        raise Failed(str(error) or type(error).__name__) from error


@contextlib.asynccontextmanager
async def with_broker(bench: Bench, kafka: str | None) -> AsyncIterator[Bench]:
    """The bench with its broker, which is started if ``kafka`` says so. It shares the clients' core.

    Raises:
        OperatorError: it cannot be started.
    """
    if kafka != LOCAL:
        yield bench._replace(kafka=kafka)
        return
    async with local_broker() as address:
        yield bench._replace(kafka=address)


@contextlib.asynccontextmanager
async def local_broker() -> AsyncIterator[str]:
    """A broker on the core of this process; yields its address.

    Raises:
        OperatorError: it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="touchline-kafka-") as folder:
        async with LocalKafka(Path(folder) / "kafka").running() as kafka:
            yield kafka.address
