"""Run folders: what was written is read again, whoever wrote it and however it ended."""

import multiprocessing
import os
import signal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.records import Breach, Mark, RunInfo, Sample, SummaryRow
from touchline_loadtest.runs.writer import RunWriter

INFO = RunInfo("Goal", "locust", began_ms=1000.0, settings={"users": 100, "deliver": "latest"}, notes=["small"])
SAMPLE = Sample(2000.0, "cpu", 97.5, "%", {"process": "edge 1"})
LINES = b'{"at_ms":1,"series":"cpu","value":1}\n'


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    fault = Mark(2500.0, "kill edge 1", "fault")
    breach = Breach("gap", "fan 7", "offset 12 is missing", "match:1", 12, 2600.0)
    with RunWriter.create(tmp_path / "new" / "run", INFO) as run:
        run.samples([SAMPLE])
        run.mark(fault)
        run.breaches([breach])
        run.finish(9000.0, [SummaryRow("p99", 12.5, "ms", "<= 50", met=True)], ["one stall"])
    reader = RunReader(tmp_path / "new" / "run")
    assert (reader.samples(), reader.marks(), reader.breaches()) == ([SAMPLE], [fault], [breach])
    assert reader.info.ended_ms == 9000.0
    assert [row.what for row in reader.info.summary] == ["p99"]
    assert (reader.info.settings, reader.info.notes) == (INFO.settings, ["small", "one stall"])


def write_then_die(folder: Path, value: float) -> None:
    run = RunWriter.join(folder)
    run.samples([Sample(value, "deliveries", value)])
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_s_samples_are_there_beside_those_of_others(tmp_path: Path) -> None:
    run = RunWriter.create(tmp_path, INFO)
    run.samples([SAMPLE])
    # Forked, so that they write with a copy of this process's state, as Locust's workers do.
    children = [
        multiprocessing.get_context("fork").Process(target=write_then_die, args=(tmp_path, n)) for n in (3000, 1000)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [-signal.SIGKILL] * 2
    reader = RunReader(tmp_path)
    assert [sample.at_ms for sample in reader.samples()] == [1000, 2000, 3000]
    assert reader.info.ended_ms is None
    run.close()


@pytest.mark.parametrize("left", ["traces/trace-1.bin", "log/log-1.bin", "samples-1.jsonl", "notes.txt"])
def test_a_run_does_not_begin_among_what_another_one_has_left(tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_text("old")
    with pytest.raises(BadRun, match=str(tmp_path)):
        RunWriter.create(tmp_path, INFO)
    assert not (tmp_path / "run.json").exists()


def test_a_fork_of_a_writer_has_files_of_its_own(tmp_path: Path) -> None:
    run = RunWriter.create(tmp_path, INFO)
    run.samples([SAMPLE])
    child = multiprocessing.get_context("fork").Process(target=run.samples, args=([SAMPLE],))
    child.start()
    child.join()
    assert len(list(tmp_path.glob("samples-*.jsonl"))) == 2
    run.close()


def test_a_second_run_in_one_folder_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    RunWriter.create(tmp_path, INFO).close()
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(BadRun, match=str(tmp_path)):
        RunWriter.create(tmp_path, msgspec.structs.replace(INFO, name="Another"))
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (None, ["run.json"]),
        (b"{", ["run.json"]),
        (b'{"format":2,"name":5}', ["run.json", "format 2", "format 1"]),
        (b'{"name":"x","kind":"swarm"}', ["began_ms"]),
        (b'{"name":"x","kind":"swarm","began_ms":1,"colour":1}', ["colour"]),
        (b'{"name":"\xff","kind":"swarm","began_ms":1}', ["run.json"]),
    ],
    ids=["none", "torn", "another format", "a field missing", "an unknown field", "not UTF-8"],
)
def test_a_folder_without_a_run_that_can_be_read_is_named(
    document: bytes | None, named: list[str], tmp_path: Path
) -> None:
    if document is not None:
        (tmp_path / "run.json").write_bytes(document)
    with pytest.raises(BadRun) as refused:
        RunReader(tmp_path)
    assert [text for text in [str(tmp_path), *named] if text not in str(refused.value)] == []


def test_to_join_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="missing"):
        RunWriter.join(tmp_path / "missing")


@given(st.integers(0, 2 * len(LINES)))
def test_a_file_may_be_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    folder = tmp_path_factory.mktemp("run")
    RunWriter.create(folder, INFO).close()
    (folder / "samples-1.jsonl").write_bytes((2 * LINES)[:length])
    # The end of a line may be what is missing: then its sample is whole.
    assert len(RunReader(folder).samples()) == (length + 1) // len(LINES)


@pytest.mark.parametrize(
    "line", [b"{}", b'{"at_ms":1,"series":"cpu","value":"high"}', b'{"at_ms":1,"series":"cpu","value":1,"x":1}', b""]
)
def test_any_other_wrong_line_is_named(line: bytes, tmp_path: Path) -> None:
    RunWriter.create(tmp_path, INFO).close()
    (tmp_path / "samples-1.jsonl").write_bytes(LINES + line + b"\n" + LINES)
    with pytest.raises(BadRun, match=r"samples-1\.jsonl, line 2"):
        RunReader(tmp_path).samples()


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, INFO) as run:
        run.samples([Sample(1.0, "p", float("nan")), SAMPLE, Sample(1.0, "p", float("inf"))])
    assert RunReader(tmp_path).samples() == [SAMPLE]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadRun, match="file"):
        RunWriter.create(tmp_path / "file" / "run", INFO)
    run = RunWriter.create(tmp_path / "run", INFO)
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "run").rmdir()
    with pytest.raises(BadRun, match="run"):
        run.samples([SAMPLE])


@given(
    st.builds(
        Sample,
        at_ms=st.floats(allow_nan=False, allow_infinity=False),
        series=st.text(),
        value=st.floats(allow_nan=False, allow_infinity=False),
        unit=st.text(),
        labels=st.dictionaries(st.text(), st.text(), max_size=3),
    )
)
def test_any_text_survives_the_file(tmp_path_factory: pytest.TempPathFactory, sample: Sample) -> None:
    folder = tmp_path_factory.mktemp("run")
    with RunWriter.create(folder, INFO) as run:
        run.samples([sample])
    assert RunReader(folder).samples() == [sample]
