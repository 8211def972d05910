"""How many CPUs this process may use, on the machine or in a container, and how many workers that makes."""

import os
from pathlib import Path

import pytest

from touchline_protocol.errors import OperatorError
from touchline_server.config.loading import load_settings
from touchline_server.config.workers import WORKERS_MAX, worker_count
from touchline_server.node.cpus import cpu_count

KAFKA = "kafka://127.0.0.1:9092"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000\n", 8), ("250000 100000\n", 3), ("50000 100000\n", 1), ("9900000 100000\n", 8), ("?", 8)],
)
def test_a_container_has_its_own_share_of_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    quota, missing = tmp_path / "cpu.max", tmp_path / "missing"
    quota.write_text(text)
    assert cpu_count(quota, missing, missing) == expected


@pytest.mark.parametrize(("quota_us", "expected"), [("-1", 8), ("150000", 2)])
def test_a_container_of_the_first_version_has_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota_us: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    (tmp_path / "quota").write_text(quota_us)
    (tmp_path / "period").write_text("100000")
    assert cpu_count(tmp_path / "missing", tmp_path / "quota", tmp_path / "period") == expected


def test_without_a_container_all_cpus_that_the_process_may_run_on_count(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert cpu_count(missing, missing, missing) == len(os.sched_getaffinity(0))


def test_auto_is_one_worker_for_each_cpu_and_one_for_an_embedded_log() -> None:
    assert worker_count("auto", KAFKA, 4) == 4
    assert worker_count("auto", KAFKA, 10_000) == WORKERS_MAX
    assert worker_count("auto", "sqlite://", 4) == 1
    assert worker_count(3, KAFKA, 1) == 3


@pytest.mark.parametrize("given", ["2", 2, "auto"])
def test_the_number_of_workers_is_a_number_or_auto(given: object) -> None:
    assert load_settings(None, {"log": KAFKA, "workers": given}).workers == (given if given == "auto" else 2)


@pytest.mark.parametrize("given", ["0", "many", 257, "1.5"])
def test_another_number_of_workers_is_an_error(given: object) -> None:
    with pytest.raises(OperatorError, match="--workers"):
        load_settings(None, {"log": KAFKA, "workers": given})


def test_the_number_of_workers_can_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, expected in (("3", 3), ("auto", "auto")):
        monkeypatch.setenv("TOUCHLINE_WORKERS", given)
        assert load_settings(None, {"log": KAFKA}).workers == expected


@pytest.mark.parametrize("log", ["sqlite://", "sqlite:///var/touchline.db"])
def test_an_embedded_log_has_one_worker(log: str) -> None:
    with pytest.raises(OperatorError, match=r"--workers.*3.*sqlite"):
        load_settings(None, {"log": log, "workers": 3})
    assert load_settings(None, {"log": log, "workers": 1}).workers == 1
