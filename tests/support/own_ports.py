"""A pytest plugin that gives each worker ports of its own, so that two of them never choose the same one.

A port is chosen some time before a server listens on it, and nothing listens on it while that server is stopped.
"""

import os

from touchline_loadtest import free_ports


def pytest_configure() -> None:
    """Leave this worker its share of the ports. Without workers, that is all of them."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    free_ports.BELOW_EPHEMERAL = share_of(free_ports.BELOW_EPHEMERAL, int(worker.removeprefix("gw")), int(workers))


def share_of(ports: range, worker: int, workers: int) -> range:
    """The ports of one of the workers, who are counted from 0. A worker that replaces a crashed one has a higher
    number."""
    return ports[worker % workers :: workers]
