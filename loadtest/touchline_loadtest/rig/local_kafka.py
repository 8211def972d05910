"""A Kafka broker of the load test's own, on the loopback interface, in a folder of its own."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from touchline_loadtest.free_ports import free_ports
from touchline_protocol.errors import OperatorError

from . import kafka_java

JAVA_MIN = 17
MEMORY = ("-Xmx512m",)
"""More than tests need: every edge and every reader of the log has connections and fetch sessions of its own."""


@contextlib.asynccontextmanager
async def local_kafka(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run a broker; yields its address and its process id. At the end its records are deleted.

    Enter it in the main thread: the broker ends with the thread.

    Raises:
        OperatorError: Java or Kafka's jars are missing, or the broker did not start.
    """
    _check_installed()
    port, controller_port = free_ports(2)
    folder.mkdir(parents=True)  # noqa: ASYNC240 - nothing else runs yet
    try:
        process = kafka_java.start_broker(folder, _settings(folder, port, controller_port), MEMORY)
        try:
            await asyncio.to_thread(kafka_java.wait_started, process, folder)
            yield f"127.0.0.1:{port}", process.pid
        finally:
            # Nobody needs its records any more, so there is nothing to shut down in order.
            kafka_java.stop(process, kill=True)
            shutil.rmtree(folder / kafka_java.DATA, ignore_errors=True)
    except RuntimeError as error:
        raise OperatorError(str(error)) from error


def _settings(folder: Path, port: int, controller_port: int) -> dict[str, object]:
    return {
        **kafka_java.single_broker(folder, port, controller_port),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
    }


def _check_installed() -> None:
    if shutil.which("java") is None:
        raise OperatorError(
            f"there is no java, and Kafka needs Java {JAVA_MIN} or newer: install it (on Debian: apt-get install"
            " default-jre-headless), or name a running broker with --kafka host:port"
        )
    if not any(kafka_java.JARS.glob("kafka_*.jar")):
        raise OperatorError(
            f"there is no Kafka in {kafka_java.JARS}: run scripts/fetch_kafka.sh in a checkout of Touchline, or name a"
            " running broker with --kafka host:port"
        )
