"""Redis behind Sentinels, and as a Cluster: real servers on the loopback interface."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support.redis_server import RedisServer
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.processes import dying_with_parent
from touchline_loadtest.redis_server import KEEP_DATA

START_TIMEOUT_S = 30.0
SLOTS = 16_384


def cli(port: int, *args: str) -> str:
    """The output of redis-cli."""
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *args], capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
    )
    return done.stdout + done.stderr


def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` is true; for servers that tell nobody."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Sentinel:
    """A Sentinel that watches one primary under the name ``mymaster``, and alone decides about a failover."""

    def __init__(self, folder: Path, primary: int) -> None:
        (self.port,) = free_ports(1)
        folder.mkdir(parents=True)
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {primary} 1\n"
            "sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n"
        )
        command = dying_with_parent("redis-sentinel", str(config))
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: "slave" in cli(self.port, "sentinel", "replicas", "mymaster"))

    def primary(self) -> int:
        """The port of the primary, as the Sentinel sees it."""
        return int(cli(self.port, "sentinel", "get-master-addr-by-name", "mymaster").split()[1])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def make_cluster(redis_factory: Callable[..., RedisServer], nodes: int = 3) -> list[RedisServer]:
    """Primaries that share the slots."""
    flags = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    servers = [redis_factory(*flags, "--cluster-port", str(free_ports(1)[0])) for _ in range(nodes)]
    made = cli(servers[0].port, "--cluster", "create", *(f"127.0.0.1:{one.port}" for one in servers), "--cluster-yes")
    assert "All 16384 slots covered" in made, made
    for server in servers:
        until(lambda server=server: "cluster_state:ok" in cli(server.port, "cluster", "info"))  # type: ignore[misc]
    return servers


def add_replica(redis_factory: Callable[..., RedisServer], primary: RedisServer) -> RedisServer:
    """A replica of one node of a Cluster, which takes over within 2 s after that is gone."""
    flags = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", str(free_ports(1)[0]))
    replica = redis_factory(*flags)
    addresses = [f"127.0.0.1:{server.port}" for server in (replica, primary)]
    cli(primary.port, "--cluster", "add-node", *addresses, "--cluster-slave", "--cluster-master-id", node_id(primary))
    until(lambda: "master_link_status:up" in cli(replica.port, "info", "replication"))
    return replica


def node_id(server: RedisServer) -> str:
    return cli(server.port, "cluster", "myid").strip()


def owner(servers: list[RedisServer], slot: int) -> RedisServer:
    """The node that has a slot."""
    return next(one for one in servers if slot in _slots(one))


def _slots(server: RedisServer) -> set[int]:
    mine = next(line for line in cli(server.port, "cluster", "nodes").splitlines() if "myself" in line)
    found: set[int] = set()
    for part in mine.split()[8:]:
        if part[0].isdigit():
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return found


def move_slot(servers: list[RedisServer], slot: int) -> None:
    """Move a slot with all of its keys to another node, as redis-cli does."""
    source = owner(servers, slot)
    target = next(one for one in servers if one is not source)
    cli(target.port, "cluster", "setslot", str(slot), "importing", node_id(source))
    cli(source.port, "cluster", "setslot", str(slot), "migrating", node_id(target))
    while keys := cli(source.port, "cluster", "getkeysinslot", str(slot), "100").split():
        cli(source.port, "migrate", "127.0.0.1", str(target.port), "", "0", "5000", "keys", *keys)
    for server in (target, source, *servers):
        cli(server.port, "cluster", "setslot", str(slot), "node", node_id(target))


def make_small_cluster(redis_factory: Callable[..., RedisServer]) -> RedisServer:
    """A Cluster of one node, which keeps its data: when it is stopped, the whole Cluster is away."""
    flags = ("--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0]), *KEEP_DATA)
    server = redis_factory(*flags)
    cli(server.port, "cluster", "addslotsrange", "0", str(SLOTS - 1))
    until(lambda: "cluster_state:ok" in cli(server.port, "cluster", "info"))
    return server
