"""The statistics of recorded matches that generated matches follow: kinds, sizes, pace, bursts and keys. Pure.

`derive` works them out from any matches. Those in ``profile.json`` come from two matches of StatsBomb Open Data. They
are numbers about the matches, none of the matches' data.
"""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any

import msgspec

from touchline_demo.matches.timeline import MATCH, SCORE, Timed

BUCKETS = 50
"""The values of a distribution are divided into this many parts of equal number, of which the means are kept. Unlike
quantiles, they preserve the mean of a distribution with a long tail."""
PERIODS_PLAYED = (1, 2)


class Kind(msgspec.Struct, frozen=True):
    """The events of one type: how many a match has, and the sizes of their values in bytes, as means of buckets."""

    per_match: float
    sizes_bytes: list[float]


class Profile(msgspec.Struct, frozen=True):
    """What a typical match looks like, on average over ``matches``.

    ``halves_s`` are the shortest and the longest half. ``gaps_s`` and ``gaps_after_zero_s`` have the times between two
    successive events of a half, as means of buckets: about a third are 0, since events that belong together have one
    timestamp, and the gap after such a gap is seldom 0 too. ``busy_seconds`` maps a number of events to the share of a
    half's seconds that have as many: it shows the bursts. Nothing is generated from it; generated matches are tested
    against it. ``keys_per_match`` counts the events of the score feed by key, ``score_bytes`` is their mean size.
    """

    source: str
    matches: int
    events_per_match: float
    event_bytes: float
    halves_s: tuple[float, float]
    gaps_s: list[float]
    gaps_after_zero_s: list[float]
    busy_seconds: dict[int, float]
    kinds: dict[str, Kind]
    keys_per_match: dict[str, float]
    score_bytes: float

    @property
    def goals_per_shot(self) -> float:
        """The share of shots that are goals."""
        return self.keys_per_match.get("last_goal", 0) / self.kinds["Shot"].per_match


class _Measured(msgspec.Struct):
    due_s: float
    period: int
    kind: str
    size: int


def load() -> Profile:
    """The profile that comes with the load tests."""
    return msgspec.json.decode(files(__package__).joinpath("profile.json").read_bytes(), type=Profile)


def derive(matches: Sequence[Sequence[Timed]], source: str) -> Profile:
    """The profile of some matches; ``source`` says whose data they are."""
    events = [[_measured(item) for item in match if item.feed == MATCH] for match in matches]
    scores = [item for match in matches for item in match if item.feed == SCORE]
    halves = [half for match in events for half in _halves(match)]
    lengths_s = [half[-1].due_s - half[0].due_s for half in halves]
    gaps_s = [pair for half in halves for pair in _gaps(half)]
    everything = [event for match in events for event in match]
    return Profile(
        source=source,
        matches=len(matches),
        events_per_match=_per(len(everything), matches),
        event_bytes=round(statistics.fmean(event.size for event in everything), 1),
        halves_s=(round(min(lengths_s), 1), round(max(lengths_s), 1)),
        gaps_s=_bucket_means([gap_s for before_s, gap_s in gaps_s if before_s], 3),
        gaps_after_zero_s=_bucket_means([gap_s for before_s, gap_s in gaps_s if not before_s], 3),
        busy_seconds=_busy_seconds(halves),
        kinds={
            kind: Kind(
                per_match=_per(count, matches),
                sizes_bytes=_bucket_means([event.size for event in everything if event.kind == kind], 0),
            )
            for kind, count in Counter(event.kind for event in everything).most_common()
        },
        keys_per_match={
            str(key): _per(count, matches) for key, count in Counter(item.key for item in scores).most_common()
        },
        score_bytes=round(statistics.fmean(_size(item.data) for item in scores), 1),
    )


def _measured(item: Timed) -> _Measured:
    return _Measured(item.due_s, item.data["period"], item.data["type"]["name"], _size(item.data))


def _size(data: Mapping[str, Any]) -> int:
    return len(msgspec.json.encode(data))


def _per(count: int, matches: Sequence[object]) -> float:
    return round(count / len(matches), 2)


def _halves(match: Sequence[_Measured]) -> list[list[_Measured]]:
    return [[event for event in match if event.period == period] for period in PERIODS_PLAYED]


def _gaps(half: Sequence[_Measured]) -> Iterator[tuple[float, float]]:
    """Each gap of a half with the one before it."""
    return pairwise([1.0, *(after.due_s - before.due_s for before, after in pairwise(half))])


def _busy_seconds(halves: Sequence[Sequence[_Measured]]) -> dict[int, float]:
    shares: Counter[int] = Counter()
    seconds = 0
    for half in halves:
        counts = Counter(int(event.due_s - half[0].due_s) for event in half)
        length = int(half[-1].due_s - half[0].due_s) + 1
        seconds += length
        shares.update(counts.values())
        shares[0] += length - len(counts)
    return {number: round(count / seconds, 5) for number, count in sorted(shares.items())}


def _bucket_means(values: Sequence[float], digits: int) -> list[float]:
    """The means of the values' buckets, in ascending order; fewer than `BUCKETS` of them if there are fewer values."""
    ordered = sorted(values)
    buckets = min(BUCKETS, len(ordered))
    bounds = [len(ordered) * index // buckets for index in range(buckets + 1)]
    return [round(statistics.fmean(ordered[begin:end]), digits or None) for begin, end in pairwise(bounds)]
