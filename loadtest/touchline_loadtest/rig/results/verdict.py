"""Judges a load test: Locust's thresholds, what its users saw go wrong, and what the checker finds with the log."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from touchline_loadtest.checks.comparison.run_check import Outcome as CheckOutcome
from touchline_loadtest.checks.drains import drains
from touchline_loadtest.checks.occupancy import check_occupancy
from touchline_loadtest.checks.sessions import sessions_that_moved
from touchline_loadtest.clock import now_ms
from touchline_loadtest.locust.shapes.schedule import OPERATORS
from touchline_loadtest.report.page import render
from touchline_loadtest.report.sources.load import load
from touchline_loadtest.rig.locust_processes import stats_file
from touchline_loadtest.rig.run import Outcome
from touchline_loadtest.rig.settings import ENDING, LoadTest
from touchline_loadtest.runs.files import BadRun
from touchline_loadtest.runs.history.check import check_folder, write_breaches
from touchline_loadtest.runs.history.stays import read_stays
from touchline_loadtest.runs.history.told import read_told
from touchline_loadtest.runs.records import SummaryRow
from touchline_loadtest.runs.thresholds import judge as judge_thresholds
from touchline_loadtest.runs.writer import RunWriter

from .census_results import census_rows, disturbances
from .drain_results import drain_rows, drain_samples
from .fault_results import fault_rows
from .locust_results import failures, measured, read_rows, time_rows


def judge(test: LoadTest, outcome: Outcome, run: RunWriter) -> Sequence[SummaryRow]:
    """Check the run, finish its folder, and write its page; returns the rows of the result."""
    rows = read_rows(stats_file(test.folder).read_bytes())
    thresholds = judge_thresholds(test.fail_above, lambda threshold: measured(rows, threshold))
    checked = [*fault_rows(outcome.report, _fault_count(test)), *_check(test.folder)]
    checked += [*_moves(test, run), *_census(test.folder, outcome)]
    swarm = [] if outcome.swarm is None else outcome.swarm.rows
    users = [*time_rows(rows), *thresholds, *failures(rows), *_ends(outcome)]
    summary = [*users, *checked, *(msgspec.structs.replace(row, what=f"swarm: {row.what}") for row in swarm)]
    run.finish(now_ms(), summary, [] if outcome.swarm is None else outcome.swarm.notes)
    page_of(test.folder).write_text(render(load(test.folder)), encoding="utf-8")
    return summary


def page_of(folder: Path) -> Path:
    """The page about a run."""
    return folder / "report.html"


def check_rows(found: CheckOutcome) -> Iterator[SummaryRow]:
    """What the checker compared, and what it found."""
    for name, count in found.counts.items():
        yield SummaryRow(f"compared: {name}", count)
    breaches = len(found.breaches) + found.more
    yield SummaryRow("breaches that the checker found", breaches, bound="0", met=breaches == 0)


def _check(folder: Path) -> list[SummaryRow]:
    """Let the checker compare the run. One that cannot be compared has failed, and gets its page all the same."""
    try:
        found = check_folder(folder)
    except BadRun as error:
        return [SummaryRow("breaches that the checker found", str(error), bound="0", met=False)]
    write_breaches(folder, found.breaches)
    return list(check_rows(found))


def _moves(test: LoadTest, run: RunWriter) -> list[SummaryRow]:
    """What clients went through while edges drained, with a chart, and how many action sessions went on elsewhere,
    where that can happen."""
    try:
        told = read_told(test.folder)
    except BadRun:
        return []  # the checker has said so
    found = drains(told.causes, told.openings, told.closes)
    run.samples(drain_samples(found))
    rows = list(drain_rows(found))
    if test.edges > 1 and test.cues & ENDING:
        moved = sessions_that_moved(told.acted, told.openings)
        rows.append(SummaryRow("action sessions that went on at another edge", moved))
    return rows


def _fault_count(test: LoadTest) -> int:
    """How many faults the shape has."""
    return sum(cue.kind in OPERATORS for cue in test.schedule.cues)


def _census(folder: Path, outcome: Outcome) -> list[SummaryRow]:
    """Compare the numbers of viewers that servers told with the clients."""
    if outcome.census is None:
        return []
    outcome.census.write(folder)
    disturbed = disturbances(outcome.report.faults)
    try:
        stays = [*read_stays(folder), *outcome.census.stays]
    except BadRun:
        return []  # the checker has said so
    return list(census_rows(check_occupancy(stays, outcome.census.counts, disturbed), disturbed))


def _ends(outcome: Outcome) -> Iterator[SummaryRow]:
    """How Locust's processes have ended."""
    yield SummaryRow("exit code of Locust", outcome.locust, bound="0", met=outcome.locust == 0)
    if outcome.lost:
        yield SummaryRow("processes of Locust that ended early", ", ".join(outcome.lost), bound="none", met=False)
