"""Reads a run from whatever the user has: a run folder, the JSON of ``bench``, or Locust's own CSV files."""

from pathlib import Path

from touchline_loadtest.report.run import Run
from touchline_loadtest.runs.files import INFO, BadRun, folder_of
from touchline_loadtest.runs.reader import RunReader

from . import bench_json, locust_csv


def load(path: Path) -> Run:
    """Read the run at ``path``.

    Raises:
        BadRun: it has no run, one that cannot be read, or one with nothing to report.
    """
    run = _load(path)
    if not (any(run.samples) or run.info.summary or run.breaches):
        raise BadRun(f"the run in {path} is empty: it has no samples, no summary and no breaches")
    return run


def _load(path: Path) -> Run:
    if path.is_file():
        if path.name == INFO:
            return _from_folder(folder_of(path))
        if path.suffix == ".csv":
            return locust_csv.load(path)
        return bench_json.load(path)
    histories = sorted(path.glob(f"*{locust_csv.HISTORY}"))
    if histories and not (path / INFO).exists():
        if len(histories) > 1:
            names = ", ".join(history.name for history in histories)
            raise BadRun(f"{path} has several of Locust's runs; name one of its files: {names}")
        return locust_csv.load(histories[0])
    return _from_folder(path)


def _from_folder(path: Path) -> Run:
    reader = RunReader(path)
    return Run(reader.info, reader.samples_by_writer(), reader.marks(), reader.breaches())
