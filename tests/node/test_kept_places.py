"""Where an edge begins to read, by what keepers have kept."""

from collections.abc import Mapping, Sequence

from touchline_protocol.errors import StoreUnavailable
from touchline_server.core.room_keeping import KeptPartition, Progress
from touchline_server.core.room_store import BuiltWith, NotYet, RoomKey, StoredRoom
from touchline_server.log.kafka.partition_choice import ResumeAt
from touchline_server.node.fleet.kept_places import GAP_RECORDS_MAX, KeptPlaces, earlier_places


def kept(next_offset: int, *, written: int | None = None, term: int = 3, term_start: int = 0) -> Progress:
    return Progress(
        "b", next_offset, next_offset if written is None else written, term, term_start, True, BuiltWith(None, 1, "k")
    )


def test_a_small_gap_is_read_and_nothing_else() -> None:
    starts = {0: 100, 1: 100, 2: 100, 3: 100_000, 4: 100}
    progress = {0: kept(90), 1: kept(100), 2: kept(110), 3: kept(10), 4: None}
    assert earlier_places(starts, progress) == {0: ResumeAt(90, 3, 0)}


def test_gaps_are_read_up_to_a_limit_in_all_the_smallest_first() -> None:
    start, half = 10 * GAP_RECORDS_MAX, GAP_RECORDS_MAX // 2
    progress = {0: kept(start - half - 2), 1: kept(start - half), 2: kept(start - half + 1)}
    assert set(earlier_places(dict.fromkeys(progress, start), progress)) == {1, 2}


def test_a_place_is_only_used_if_the_log_can_tell_whether_it_was_cut_back_there() -> None:
    starts = dict.fromkeys(range(4), 100)
    progress = {
        0: kept(90, term=-1, term_start=-1),
        1: kept(90, term=-1, term_start=-1, written=95),
        2: kept(90, term_start=90, written=95),
        3: kept(90, term_start=89, written=95),
    }
    assert earlier_places(starts, progress) == {0: ResumeAt(90, -1, -1), 3: ResumeAt(90, 3, 89)}


class _Away:
    """A store that does not answer, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | NotYet | None:
        raise NotImplementedError

    async def kept(self, partitions: Sequence[KeptPartition]) -> Mapping[KeptPartition, Progress | None]:
        self.asked += 1
        raise StoreUnavailable("away")


async def test_a_store_that_is_away_costs_one_wait_and_other_topics_none() -> None:
    store = _Away()
    places = KeptPlaces(store, ["one", "two"])
    for topic in ("verdicts", "one", "two", "one"):
        assert await places.positions(topic, "e", {0: 100}) == {}
    assert store.asked == 1
