"""Samples of real processes and real connections."""

import os
import socket
import subprocess
import sys
import time

import pytest

from touchline_loadtest.runs.records import Sample
from touchline_loadtest.samplers.connections import connections_to
from touchline_loadtest.samplers.processes import ProcessSampler

WORKS = "import time; memory = bytearray(b'x') * (40 << 20); print(flush=True)\nwhile True: pass"
BUSY_S = 0.3


def values(samples: list[Sample], process: str) -> dict[str, float]:
    return {each.series: each.value for each in samples if each.labels["process"] == process}


def test_a_busy_process_is_told_from_a_waiting_one() -> None:
    sampler = ProcessSampler()
    waiting = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    busy = subprocess.Popen([sys.executable, "-c", WORKS], stdout=-1)
    try:
        for name, process in (("waiting", waiting), ("busy", busy)):
            assert process.stdout is not None
            process.stdout.readline()
            sampler.watch(name, process.pid)
        used = time.clock_gettime((~busy.pid << 3) | 2)
        while time.clock_gettime((~busy.pid << 3) | 2) < used + BUSY_S:
            os.sched_yield()
        samples = sampler.sample(5.0)
        assert {each.at_ms for each in samples} == {5.0}
        assert values(samples, "busy")["cpu"] > values(samples, "waiting")["cpu"]
        assert values(samples, "busy")["cpu"] <= 101
        assert 40 < values(samples, "busy")["memory"] < 200
        assert values(samples, "waiting")["memory"] < values(samples, "busy")["memory"]
        assert values(samples, "waiting")["open_files"] >= 3
        busy.kill()
        busy.wait()
        assert {each.labels["process"] for each in sampler.sample(6.0)} == {"waiting"}
        sampler.forget("waiting")
        assert sampler.sample(7.0) == []
    finally:
        for process in (waiting, busy):
            process.kill()
            process.communicate()


def test_a_process_that_does_not_exist_is_an_error() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(ProcessLookupError):
        ProcessSampler().watch("gone", child.pid)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections_are_counted_at_the_server_s_end(family: socket.AddressFamily, address: str) -> None:
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        assert connections_to(port) == 0
        clients = [socket.create_connection((address, port)) for _ in range(3)]
        accepted = [server.accept()[0] for _ in clients]
        assert connections_to(port) == 3
        for each in (*clients, *accepted):
            each.close()
        assert connections_to(port) == 0
