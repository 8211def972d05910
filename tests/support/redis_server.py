"""Real Redis servers for tests.

The fixture ``redis`` is one server for all tests of a worker, emptied before each. ``redis_factory`` starts servers for
one test, which may stop and start them again. They end with their test, and with the test process,
however that ends.
"""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from touchline_loadtest.redis_server import RedisServer

__all__ = ["RedisServer"]


def demand_redis() -> None:
    """Fail if Redis is missing. Never skip: these tests check promises to users."""
    if shutil.which("redis-server") is None:
        pytest.fail("the tests need redis-server: make test installs what is missing", pytrace=False)


@pytest.fixture(scope="session")
def redis_of_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests of a worker. Use ``redis``."""
    demand_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)


@pytest.fixture
def redis(redis_of_worker: RedisServer) -> RedisServer:
    """A server without any keys."""
    with socket.create_connection(("127.0.0.1", redis_of_worker.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(100) == b"+OK\r\n"
    return redis_of_worker


@pytest.fixture
def redis_factory(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers that only this test uses; arguments are more options for redis-server."""
    demand_redis()
    servers: list[RedisServer] = []

    def make(*flags: str) -> RedisServer:
        server = RedisServer(tmp_path / f"redis{len(servers)}", flags=flags)
        servers.append(server)
        server.start()
        return server

    try:
        yield make
    finally:
        for server in servers:
            server.stop(kill=True)
