"""Samples of real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.waiting import eventually
from touchline_loadtest.measure.processes import module_process
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.records import RunInfo, Sample
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.samplers.children import children, recorded
from touchline_loadtest.samplers.processes import SHORTEST_S, ProcessSampler

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


async def test_a_recorder_samples_this_process_and_those_that_it_starts(tmp_path: Path) -> None:
    run = RunWriter.create(tmp_path, RunInfo("x", "bench", 0))
    async with recorded(run, interval_s=0.01), module_process(["http.server", "0"], None) as child:
        await eventually(lambda: "http.server" in {each.labels["process"] for each in RunReader(tmp_path).samples()})
        assert child.pid in children(os.getpid())
    samples = RunReader(tmp_path).samples()
    assert {each.labels["process"] for each in samples} == {"clients", "http.server"}
    assert {each.series for each in samples} >= {"memory", "open_files"}
    run.close()


def test_a_moment_is_too_short_to_tell_how_busy_a_process_is() -> None:
    sampler = ProcessSampler()
    sampler.watch("this", os.getpid())
    assert {each.series for each in sampler.sample(1.0)} == {"memory", "open_files"}
    since_s = time.monotonic()
    while time.monotonic() < since_s + SHORTEST_S:
        pass
    (cpu,) = [each.value for each in sampler.sample(2.0) if each.series == "cpu"]
    assert 0 < cpu <= 101
