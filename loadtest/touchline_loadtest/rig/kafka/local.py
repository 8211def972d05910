"""Kafka of the load test's own, on the loopback interface: one broker, or a cluster."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from touchline_protocol.errors import OperatorError

from . import java
from .broker import Broker, join

JAVA_MIN = 17
MEMORY = ("-Xmx512m",)
"""More than tests need: every edge and every reader of the log has connections and fetch sessions of its own."""


class LocalKafka:
    """Brokers that form one cluster. They keep their addresses and their data until the end of `running`."""

    def __init__(self, folder: Path, brokers: int = 1) -> None:
        numbers = range(1, brokers + 1)
        self.brokers = [Broker(folder / (f"broker-{number}"), node_id=number) for number in numbers]
        for broker in self.brokers:
            broker.flags = MEMORY
        join(self.brokers)

    @property
    def address(self) -> str:
        """Where clients find the cluster: ``host:port`` of all brokers, separated by commas."""
        return ",".join(broker.address for broker in self.brokers)

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes that run, by their names."""
        names = ["kafka"] if len(self.brokers) == 1 else [f"kafka-{broker.node_id}" for broker in self.brokers]
        return {name: pid for name, broker in zip(names, self.brokers, strict=True) if (pid := broker.pid) is not None}

    async def start(self, brokers: Sequence[Broker]) -> None:
        """Start some of the brokers, and wait until they serve. Call it in the main thread: they end with the thread.

        Raises:
            OperatorError: one did not start. The message contains the end of its log.
        """
        for broker in brokers:
            broker.launch()
        await asyncio.gather(*(asyncio.to_thread(broker.wait_started) for broker in brokers))

    def kill(self, brokers: Sequence[Broker]) -> None:
        """Kill some of the brokers, all at the same moment."""
        for broker in brokers:
            broker.stop(kill=True)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["LocalKafka"]:
        """Run all brokers until the end of the block, and delete their records then.

        Raises:
            OperatorError: Java or Kafka's jars are missing, or a broker did not start.
        """
        _check_installed()
        try:
            await self.start(self.brokers)
            yield self
        finally:
            # Nobody needs its records any more, so there is nothing to shut down in order.
            self.kill(self.brokers)
            for broker in self.brokers:
                shutil.rmtree(broker.folder / java.DATA, ignore_errors=True)


def _check_installed() -> None:
    if shutil.which("java") is None:
        raise OperatorError(
            f"there is no java, and Kafka needs Java {JAVA_MIN} or newer: install it (on Debian: apt-get install"
            " default-jre-headless), or name a running broker with --kafka host:port"
        )
    if not any(java.JARS.glob("kafka_*.jar")):
        raise OperatorError(
            f"there is no Kafka in {java.JARS}: run scripts/fetch_kafka.sh in a checkout of Touchline, or name a"
            " running broker with --kafka host:port"
        )
