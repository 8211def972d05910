"""Run folders of several processes and machines: who begins one, who joins it, and what travels."""

import random
import zlib
from pathlib import Path

import pytest

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.locust.plugin.mirror import CHUNK_BYTES, Outbox, receive
from touchline_loadtest.locust.plugin.run_folder import began_ms_of, begin_run, join_run
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.records import Mark
from touchline_loadtest.runs.series import sample
from touchline_loadtest.runs.writer import RunWriter

BREACH = Breach("gap", "fan-1", "an event is missing", "score:1", 7)


def test_a_worker_that_sees_the_run_writes_into_it(tmp_path: Path) -> None:
    main = begin_run(tmp_path / "run", {"users": 3}, users=False)
    worker = join_run(tmp_path / "run", began_ms_of(tmp_path / "run"))
    worker.record([sample(1.0, "deliveries", 5.0)], [BREACH])
    worker.close()
    main.finish([], ["a note"])
    run = RunReader(tmp_path / "run")
    assert worker.shared
    assert (run.info.settings, run.info.notes) == ({"users": 3}, ["a note"])
    assert (run.samples()[0].value, run.breaches()) == (5.0, [BREACH])


def test_a_worker_that_sees_another_run_sends_its_files_to_the_master(tmp_path: Path) -> None:
    main = begin_run(tmp_path / "run", {}, users=False)
    began_ms = began_ms_of(tmp_path / "run")
    begin_run(tmp_path / "elsewhere", {}, users=False).close()
    worker = join_run(tmp_path / "elsewhere", began_ms + 1)
    outbox = Outbox(worker.path)
    for number in range(3):
        worker.record([sample(number, "deliveries", number)], [BREACH])
        for chunk in outbox.chunks():
            receive(main.path, "w0", chunk)
    run = RunReader(main.path)
    assert not worker.shared
    assert [each.value for each in run.samples()] == [0.0, 1.0, 2.0]
    assert run.breaches() == [BREACH] * 3
    worker.close()
    assert not worker.path.exists()


def test_large_files_travel_in_bounded_chunks_and_arrive_whole(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3 * CHUNK_BYTES + 1)
    sent, received = tmp_path / "sent", tmp_path / "received"
    (sent / "traces").mkdir(parents=True)
    (sent / "traces" / "1-0.blocks").write_bytes(content)
    chunks = list(Outbox(sent).chunks())
    assert max(len(zlib.decompress(chunk["data"])) for chunk in chunks) == CHUNK_BYTES
    for chunk in chunks:
        receive(received, "w1", chunk)
    assert (received / "traces" / "1-0-w1.blocks").read_bytes() == content


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "traces/../../outside", "a" * 300])
def test_a_chunk_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRun):
        receive(tmp_path / "run", "w0", {"name": name, "data": zlib.compress(b"x")})
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_another_program_has_begun_is_joined_and_left_to_it(tmp_path: Path) -> None:
    begin_run(tmp_path, {}, users=False).close()
    joined = begin_run(tmp_path, {}, users=True)
    with RunWriter.join(tmp_path) as other:
        other.mark(Mark(5.0, "an edge is killed", "fault"))
        other.mark(Mark(6.0, "second half"))
    assert [mark.at_ms for mark in joined.faults()] == [5.0]
    joined.finish([], [])
    joined.close()
    assert RunReader(tmp_path).info.ended_ms is None


def test_a_run_that_has_ended_is_not_written_to(tmp_path: Path) -> None:
    begin_run(tmp_path, {}, users=False).finish([], [])
    with pytest.raises(BadRun):
        begin_run(tmp_path, {}, users=False)
