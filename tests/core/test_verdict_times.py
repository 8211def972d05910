"""How long a verdict holds on an edge whose clock is set, or wrong."""

from typing import NamedTuple

import pytest

from touchline_protocol.verdicts import VerdictRecord, encode_verdict
from touchline_server.core.clocks import LoopMs, Now, UnixMs
from touchline_server.core.players.verdicts import Verdicts

NOON_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


class Written(NamedTuple):
    """A record of the topic of verdicts."""

    value: bytes
    key: bytes = b"ann"
    offset: int = 0
    timestamp: int = NOON_MS
    headers: tuple[tuple[str, bytes], ...] = ()


def muted(edge_ahead_ms: int, *, decided_ms: int | None = NOON_MS) -> Verdicts:
    """An edge that has read at its loop's time 0 that a player is muted for five minutes."""
    verdicts = Verdicts(10)
    record = VerdictRecord(kind="mute", reason="fast", until=NOON_MS + 300_000, decided_ms=decided_ms)
    verdicts.apply(Written(encode_verdict(record)), Now(LoopMs(0), UnixMs(NOON_MS + edge_ahead_ms)))
    return verdicts


def test_a_mute_lasts_as_long_as_was_decided_and_no_time_of_day_ends_it() -> None:
    verdicts = muted(0)
    assert verdicts.of("ann", LoopMs(299_999)) is not None
    assert verdicts.of("ann", LoopMs(300_000)) is None


@pytest.mark.parametrize("behind_ms", [45_000, HOUR_MS])
def test_an_edge_whose_clock_is_behind_holds_no_mute_for_longer_than_was_decided(behind_ms: int) -> None:
    verdicts = muted(-behind_ms)
    assert verdicts.of("ann", LoopMs(299_999)) is not None
    assert verdicts.of("ann", LoopMs(300_000)) is None


def test_a_mute_by_somebody_who_does_not_say_when_it_was_decided_ends_by_the_edges_clock() -> None:
    verdicts = muted(-45_000, decided_ms=None)
    assert verdicts.of("ann", LoopMs(344_999)) is not None
    assert verdicts.of("ann", LoopMs(345_000)) is None
