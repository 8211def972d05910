"""``python -m touchline_loadtest report``, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.example_run import INFO, write_example
from touchline_loadtest.cli.app import run as run_command
from touchline_loadtest.runs.records import SummaryRow
from touchline_loadtest.runs.series import quantile_samples
from touchline_loadtest.runs.writer import RunWriter

DEADLINE_S = 120.0
PNG = b"\x89PNG\r\n\x1a\n"


def report(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchline_loadtest", "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def short_run(folder: Path) -> Path:
    """A run with two charts."""
    with RunWriter.create(folder, INFO) as run:
        run.samples(quantile_samples(INFO.began_ms + 1000, "event_latency", [1.0, 2.0]))
        run.finish(INFO.began_ms + 2000, [SummaryRow("p99", 2.0, "ms", "<= 50", met=True)])
    return folder


def test_a_page_and_an_image_of_each_chart(tmp_path: Path) -> None:
    run = short_run(tmp_path / "run")
    done = report(run, "--png", tmp_path / "images")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(run / "report.html") in done.stdout
    page = (run / "report.html").read_text("utf-8")
    assert "Passed" in page
    images = {path.stem: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    assert set(images) == {"event-latency", "bounds"}
    # A size that fits a document, at twice the density of pixels: the width is in bytes 16 to 19.
    assert {(image[:8], int.from_bytes(image[16:20])) for image in images.values()} == {(PNG, 2400)}


def report_here(*arguments: object) -> int:
    """The same in this process, which is faster."""
    return run_command(["report", *map(str, arguments)])


def test_the_page_is_written_where_it_is_asked_for_and_is_the_same_each_time(tmp_path: Path) -> None:
    run = short_run(tmp_path / "run")
    for name in ("a", "b"):
        assert report_here(run, "--output", tmp_path / "new" / f"{name}.html") == 0
    assert (tmp_path / "new" / "a.html").read_bytes() == (tmp_path / "new" / "b.html").read_bytes()
    assert not (run / "report.html").exists()


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RunWriter.create(tmp_path / "empty", INFO).close()
    run = short_run(tmp_path / "run")
    for arguments, named in (
        ((tmp_path / "missing",), "missing"),
        ((tmp_path / "empty",), "empty"),
        ((run, "--output", run), "run"),
        ((run, "--png", tmp_path / "images", "--browser", "/nowhere/chromium"), "/nowhere/chromium"),
        ((run, "--png", tmp_path / "images", "--browser", "/bin/false"), "/bin/false"),
        ((run, "--png", run / "run.json", "--browser", "/bin/false"), "run.json"),
    ):
        assert report_here(*arguments) == 2, arguments
        (line,) = capsys.readouterr().err.splitlines()
        assert named in line


def test_without_a_browser_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert report_here(short_run(tmp_path / "run"), "--png", tmp_path / "images") == 2
    said = capsys.readouterr().err
    assert "chromium" in said
    assert "--browser" in said
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", ["run.json", "samples-1.jsonl"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_example(tmp_path / "run")
    (run / name).write_bytes(b"{}\n" + (run / name).read_bytes())
    assert report_here(run) == 2
    assert name in capsys.readouterr().err


def test_the_readme_s_program_writes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    readme = (Path(__file__).parents[3] / "loadtest" / "README.md").read_text("utf-8")
    (program,) = [block for block in readme.split("```python\n")[1:] if "RunWriter" in block]
    exec(program.split("```")[0], {})
    assert report_here("my-run") == 0
