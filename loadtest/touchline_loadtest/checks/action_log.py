"""Compares the actions in the log with those that the server acknowledged."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from touchline_protocol.actions import ActionRecord


class SessionKey(NamedTuple):
    """Identifies one sequence of action ids."""

    player: str
    session: str


class LogFindings(NamedTuple):
    """``missing``: acknowledged but not in the log. ``disordered``: after a later action, or in the log twice."""

    actions: int
    missing: int
    disordered: int


def check_log(records: Iterable[ActionRecord], acked: Mapping[SessionKey, int]) -> LogFindings:
    """Compare the log with ``acked``: the highest id of each session, whose actions from 1 on were all acknowledged."""
    newest: dict[SessionKey, int] = {}
    actions = disordered = 0
    for record in records:
        actions += 1
        key = SessionKey(record.player, record.session)
        if record.id == newest.get(key, 0) + 1:
            newest[key] = record.id
        else:
            disordered += 1
    missing = sum(max(0, highest - newest.get(key, 0)) for key, highest in acked.items())
    return LogFindings(actions, missing, disordered)
