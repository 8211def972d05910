"""Kafka brokers in KRaft mode: processes on free ports, each with its own folder, which keep both over restarts.

Nothing here depends on an event loop.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from touchline_loadtest.free_ports import free_ports

from . import java


class Broker(java.BrokerProcess):
    """A broker on the loopback interface. ``folder``, empty at first, holds its data, settings and log.

    It is a cluster of its own, unless `join` has made it part of one.
    """

    def __init__(self, folder: Path, *, node_id: int = 1) -> None:
        super().__init__(folder)
        self.folder = folder
        self.node_id = node_id
        self.voters: Sequence[Broker] = [self]
        self.flags: Sequence[str] = ()
        """Flags for the broker's JVM."""
        self.settings: Mapping[str, object] = {}
        """More settings than those that each broker has here."""
        self._port, self._controller_port = free_ports(2)

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self._port}"

    def launch(self) -> None:
        """Also creates the folder, and formats it for the first start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = java.broker_command(self.folder, {**self._settings(), **self.settings}, self.flags)
        self.launch_command(command, cwd=self.folder)

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
