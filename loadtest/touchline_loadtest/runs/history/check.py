"""Checks a run folder: reads its files, and hands what they hold to the checker."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.comparison.run_check import Outcome, RunCheck
from touchline_loadtest.checks.comparison.trace_check import TraceCheck
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Item
from touchline_loadtest.runs.files import BREACHES, LOG, TRACES, BadRun, NoRun
from touchline_loadtest.runs.reader import read_info

from .blocks import TraceBlock, TraceHead
from .reader import OnCut, ignore_cut, log_files, read_log, read_traces, trace_files
from .told import Told


def check_folder(folder: Path, *, all_players_known: bool = True) -> Outcome:
    """Check everything that a run folder holds.

    ``all_players_known``: no one but the run's own players acted, so the log must have no other actions.

    Raises:
        BadRun: something is missing or damaged, or nothing could be compared.
    """
    cut: list[str] = []

    def on_cut(path: Path, place: int) -> None:
        name = f"{path.parent.name}/{path.name}"
        cut.append(f"{name} ends in the middle of a block, at byte {place}: its process did not write to its end")

    paths = trace_files(folder)
    try:
        read_info(folder)
    except NoRun:
        # Clients of other programs may have left traces and no more.
        if not (paths or log_files(folder)):
            raise
    check = RunCheck(_read_log(folder, on_cut))
    if not paths:
        raise BadRun(f"{folder / TRACES} has no traces: the run wrote nothing of what its clients saw")
    told = Told()
    ended_ms = {path: _learn(check, path, told, on_cut) for path in paths}
    check.explain(told.causes, told.closes)
    for path in paths:
        _compare(check, path, ended_ms[path])
    for close in told.closes:
        check.close(close)
    outcome = check.finish(told.acted, told.readers, all_known=all_players_known, ended_ms=max(ended_ms.values()))
    if cut:
        counts = {**outcome.counts, "files that end in the middle of a block": len(cut)}
        outcome = outcome._replace(cut=cut, counts=counts)
    if not outcome.compared and not outcome.breaches:
        raise BadRun(
            f"{folder}: nothing to compare: its clients saw no event and no state, and had no action acknowledged"
        )
    return outcome


def write_breaches(folder: Path, breaches: Sequence[Breach]) -> None:
    """Write what was found into the run folder, in place of what an earlier check has found.

    Raises:
        BadRun: the folder cannot be written. The file is then as it was.
    """
    path = folder / f"{BREACHES}.jsonl"
    new = path.with_suffix(".new")
    try:
        new.write_bytes(msgspec.json.Encoder().encode_lines(breaches))
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise BadRun(f"cannot write {path}: {error.strerror or error}") from error


def _read_log(folder: Path, on_cut: OnCut) -> RunLog:
    paths = log_files(folder)
    if not paths:
        raise BadRun(f"{folder / LOG} has no log: the run had no witness of what the log held")
    log = RunLog()
    for path in paths:
        for block in read_log(path, on_cut):
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


def _learn(check: RunCheck, path: Path, told: Told, on_cut: OnCut) -> float:
    """Learn from all blocks of a file; returns when the last one began."""
    ended_ms = 0.0
    for block, parts in _parts(path, on_cut):
        told.add(block)
        ended_ms = max(ended_ms, block.at_ms)
        for head, items in parts:
            check.learn(head.client, head.room, items)
    return ended_ms


def _compare(check: RunCheck, path: Path, ended_ms: float) -> None:
    checks: dict[TraceHead, TraceCheck] = {}
    for block, parts in _parts(path):
        for head in block.traces:
            checks[head] = check.begin(head.client, head.room, head.deliver, shows_skips=head.shows_skips)
        for head, items in parts:
            take, at_ms = checks[head].take, block.at_ms
            for item in items:
                take(item, at_ms)
    for trace in checks.values():
        check.end(trace, ended_ms)


def _parts(path: Path, on_cut: OnCut = ignore_cut) -> Iterator[tuple[TraceBlock, list[tuple[TraceHead, list[Item]]]]]:
    """The blocks, and what each has of each trace."""
    heads: dict[int, TraceHead] = {}
    for block in read_traces(path, on_cut):
        heads |= {head.number: head for head in block.traces}
        unknown = block.items.keys() - heads.keys()
        if unknown:
            raise BadRun(f"{path} has items of traces that it does not name: {sorted(unknown)}")
        yield block, [(heads[number], items) for number, items in block.items.items()]
