"""Checks a run folder: reads its files, and hands what they hold to the checker."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.actions import Acted, ActionEntry
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import Cause, Close
from touchline_loadtest.checks.comparison.run_check import Outcome, RunCheck
from touchline_loadtest.checks.comparison.trace_check import TraceCheck
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Item
from touchline_loadtest.runs.files import BREACHES, LOG, TRACES, BadRun, NoRun
from touchline_loadtest.runs.reader import read_info

from .blocks import TraceBlock, TraceHead
from .reader import log_files, read_log, read_traces, trace_files


def check_folder(folder: Path, *, all_players_known: bool = True) -> Outcome:
    """Check everything that a run folder holds.

    ``all_players_known``: no one but the run's own players acted, so the log must have no other actions.

    Raises:
        BadRun: something is missing or damaged, or nothing could be compared.
    """
    paths = trace_files(folder)
    try:
        read_info(folder)
    except NoRun:
        # Clients of other programs may have left traces and no more.
        if not (paths or log_files(folder)):
            raise
    check = RunCheck(_read_log(folder))
    if not paths:
        raise BadRun(f"{folder / TRACES} has no traces: the run wrote nothing of what its clients saw")
    told = _Told([], [], [], {})
    for path in paths:
        for head, items, _ in _parts(path, told):
            check.learn(head.client, head.room, items)
    check.explain(told.causes)
    for path in paths:
        _compare(check, path)
    for close in told.closes:
        check.close(close)
    outcome = check.finish(told.acted, told.readers, all_known=all_players_known)
    if not outcome.compared and not outcome.breaches:
        raise BadRun(f"{folder}: nothing to compare: its traces have no event, no acknowledged action and no close")
    return outcome


def write_breaches(folder: Path, breaches: Sequence[Breach]) -> None:
    """Write what was found into the run folder, in place of what an earlier check has found.

    Raises:
        BadRun: the folder cannot be written.
    """
    path = folder / f"{BREACHES}.jsonl"
    try:
        path.write_bytes(msgspec.json.Encoder().encode_lines(breaches))
    except OSError as error:
        raise BadRun(f"cannot write {path}: {error.strerror or error}") from error


class _Told(NamedTuple):
    """What traces have besides the items of rooms."""

    causes: list[Cause]
    closes: list[Close]
    acted: list[Acted]
    readers: dict[str, list[ActionEntry]]

    def add(self, block: TraceBlock) -> None:
        self.causes.extend(block.causes)
        self.closes.extend(block.closes)
        self.acted.extend(block.acted)
        for reader, actions in block.handed_out.items():
            self.readers.setdefault(reader, []).extend(actions)


def _read_log(folder: Path) -> RunLog:
    paths = log_files(folder)
    if not paths:
        raise BadRun(f"{folder / LOG} has no log: the run had no witness of what the log held")
    log = RunLog()
    for path in paths:
        for block in read_log(path):
            for topic, facts in block.topics.items():
                log.topic(topic, facts)
            for part, records in block.records:
                for room, entry in records:
                    log.append(part, room, entry)
            for part, at_ms, offset in block.starts:
                log.start(part, at_ms, offset)
            log.actions += block.actions
            log.verdicts += block.verdicts
    return log


def _compare(check: RunCheck, path: Path) -> None:
    checks: dict[TraceHead, TraceCheck] = {}
    for head, items, at_ms in _parts(path):
        trace = checks.get(head)
        if trace is None:
            trace = checks[head] = check.begin(head.client, head.room, head.deliver, shows_skips=head.shows_skips)
        for item in items:
            trace.take(item, at_ms)
    for trace in checks.values():
        check.end(trace)


def _parts(path: Path, told: _Told | None = None) -> Iterator[tuple[TraceHead, list[Item], float]]:
    """What each block has of each trace, and when the block began. The rest of the blocks is added to ``told``."""
    heads: dict[int, TraceHead] = {}
    for block in read_traces(path):
        if told is not None:
            told.add(block)
        heads |= {head.number: head for head in block.traces}
        for number, items in block.items.items():
            if number not in heads:
                raise BadRun(f"{path} has items of a trace that it does not name: {number}")
            yield heads[number], items, block.at_ms
