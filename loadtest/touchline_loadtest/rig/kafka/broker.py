"""Kafka brokers in KRaft mode: processes on free ports, each with its own folder, which keep both over restarts.

Nothing here depends on an event loop.
"""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from touchline_loadtest.free_ports import free_ports

from . import java


class Broker:
    """A broker on the loopback interface. ``folder``, empty at first, holds its data, settings and log.

    It is a cluster of its own, unless `join` has made it part of one.
    """

    def __init__(self, folder: Path, *, node_id: int = 1) -> None:
        self.folder = folder
        self.node_id = node_id
        self.voters: Sequence[Broker] = [self]
        self.flags: Sequence[str] = ()
        """Flags for the broker's JVM."""
        self.settings: Mapping[str, object] = {}
        """More settings than those that each broker has here."""
        self._port, self._controller_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the broker was started and not stopped."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the broker, and wait until it serves. After a stop, it keeps its addresses and its data.

        Raises:
            RuntimeError: it ended, or did not start in time.
        """
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        """The first half of `start`. Call it in the main thread: the broker is killed when the calling thread ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = java.start_broker(self.folder, {**self._settings(), **self.settings}, self.flags)

    def wait_started(self) -> None:
        """The second half of `start`."""
        assert self._process is not None  # noqa: S101 - it was launched
        java.wait_started(self._process, self.folder)

    def stop(self, *, kill: bool = False) -> None:
        """Shut the broker down, or kill it. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is not None:
            java.stop(process, kill=kill)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT, to the running broker."""
        assert self._process is not None  # noqa: S101 - it was started
        self._process.send_signal(number)

    def _settings(self) -> dict[str, object]:
        replicas = len(self.voters)
        listeners = f"PLAINTEXT://{self.address}"
        return {
            "process.roles": "broker,controller",
            "node.id": self.node_id,
            "controller.quorum.voters": ",".join(
                f"{each.node_id}@127.0.0.1:{each._controller_port}" for each in self.voters
            ),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": listeners,
            "log.dirs": self.folder / java.DATA,
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "min.insync.replicas": max(1, replicas - 1),
            "default.replication.factor": replicas,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            # How long a killed broker cannot return, because its controller believes that it is alive.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 500,
        }


def join(brokers: Sequence[Broker]) -> None:
    """Make one cluster of brokers that were not started yet. It keeps a replica of everything on each of them, and
    writes need all but one of them."""
    for broker in brokers:
        broker.voters = brokers
