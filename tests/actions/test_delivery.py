"""What is handed out, and how far it may be committed: generated histories of duplicates, crashes and rebalances."""

from hypothesis import given
from hypothesis import strategies as st

from actions.records import Written, action_record, written
from touchline.actions.action import Action, action_of
from touchline.actions.dedup import Dedup
from touchline_kafka.group.delivery import Delivery, Partition, Skipped

LOOK_BACK_MS = 10**6


def names(actions: list[Action]) -> list[tuple[int, str, int]]:
    return [(one.partition, one.player, one.id) for one in actions]


@st.composite
def logs(draw: st.DrawFn) -> list[Written]:
    """A partition's records: the actions of two players, duplicates of them, and records without an action."""
    records: list[Written] = []
    newest = {"ann": 0, "bob": 0}
    offset = 0
    for _ in range(draw(st.integers(0, 12))):
        offset += draw(st.integers(1, 2))
        player = draw(st.sampled_from(["ann", "bob"]))
        kind = draw(st.sampled_from(["next", "next", "duplicate", "bad"]))
        if kind == "bad":
            records.append(Written(offset, 0, player.encode(), b"not an action"))
        elif kind == "duplicate" and newest[player]:
            records.append(written(offset, action_record(player, draw(st.integers(1, newest[player])))))
        else:
            newest[player] += 1
            records.append(written(offset, action_record(player, newest[player])))
    return records


def read_back(index: int, deliver_from: int) -> Partition[Action]:
    """A partition of which nothing is remembered."""
    return Partition(index, read_from=0, deliver_from=deliver_from, memory=Dedup(LOOK_BACK_MS))


class Reader:
    """What the shell does with a delivery, without Kafka: commits, crashes and rebalances are calls."""

    def __init__(self, log: list[list[Written]]) -> None:
        self.log = log
        self.skipped: list[Skipped] = []
        self.handed: list[Action] = []
        self.committed = [0] * len(log)
        self.begin()

    def begin(self) -> None:
        """Start: read back everything, deliver from the commits on."""
        self.delivery = Delivery(action_of, self.skipped.append)
        self.partitions = [read_back(index, deliver_from) for index, deliver_from in enumerate(self.committed)]
        self.fetched = [0] * len(self.log)

    def rebalance(self) -> None:
        """Give all partitions away, and get them back with what is remembered."""
        self.delivery.drop()
        self.delivery.processed()
        self.commit()
        for index, old in enumerate(self.partitions):
            if old.remembers:
                new = Partition(index, read_from=old.done, deliver_from=old.done, memory=old.memory)
            else:
                new = read_back(index, old.done)
            self.partitions[index] = new
            self.fetched[index] = sum(record.offset < new.reached for record in self.log[index])

    def fetch(self, index: int, count: int) -> None:
        records = self.log[index][self.fetched[index] : self.fetched[index] + count]
        self.fetched[index] += len(records)
        self.delivery.add(self.partitions[index], records)

    def commit(self) -> None:
        self.committed = [partition.done for partition in self.partitions]


@given(st.lists(logs(), min_size=1, max_size=3), st.data())
def test_without_a_crash_each_action_is_handed_out_once_and_in_order(
    log: list[list[Written]], data: st.DataObject
) -> None:
    reader = Reader(log)
    for _ in range(data.draw(st.integers(0, 30))):
        what = data.draw(st.sampled_from(["fetch", "take", "rebalance", "restart"]))
        if what == "fetch":
            reader.fetch(data.draw(st.integers(0, len(log) - 1)), data.draw(st.integers(1, 5)))
        elif what == "take":
            reader.handed += reader.delivery.take(data.draw(st.integers(1, 4)))
        elif what == "rebalance":
            reader.rebalance()
        else:
            reader.delivery.processed()
            reader.commit()
            reader.begin()
    for index in range(len(log)):
        reader.fetch(index, 100)
    while actions := reader.delivery.take(3):
        reader.handed += actions
    expected = [(index, p, i) for index, records in enumerate(log) for p, i in _firsts(records)]
    assert sorted(names(reader.handed)) == sorted(expected)
    for index, records in enumerate(log):
        assert [(one.player, one.id) for one in reader.handed if one.partition == index] == _firsts(records)
        assert reader.partitions[index].done == (records[-1].offset + 1 if records else 0)


def _firsts(records: list[Written]) -> list[tuple[str, int]]:
    """The actions of a log, each where it is first."""
    actions: dict[tuple[str, int], None] = {}
    for record in records:
        if record.headers:
            assert record.key is not None
            actions.setdefault((record.key.decode(), int(dict(record.headers)["id"])))
    return list(actions)


@given(logs(), st.data())
def test_a_crash_repeats_what_was_not_committed_and_loses_nothing(log: list[Written], data: st.DataObject) -> None:
    reader = Reader([log])
    reader.fetch(0, 100)
    asked_beyond: set[tuple[int, str, int]] = set()
    in_hand: list[Action] = []
    for _ in range(data.draw(st.integers(0, 6))):
        asked_beyond.update(names(in_hand))
        in_hand = reader.delivery.take(data.draw(st.integers(1, 4)))
        reader.commit()
    committed = {(0, *name) for name in _firsts([record for record in log if record.offset < reader.committed[0]])}
    assert committed == asked_beyond
    reader.begin()
    reader.fetch(0, 100)
    again: list[Action] = []
    while actions := reader.delivery.take(3):
        again += actions
    assert sorted([*names(again), *committed]) == sorted((0, *name) for name in _firsts(log))


def test_a_record_without_an_action_is_counted_and_reported_with_its_place() -> None:
    reader = Reader([[Written(7, 0, b"ann", b"{"), Written(8, 0, b"bob", None), written(9, action_record("ann", 1))]])
    reader.fetch(0, 3)
    assert names(reader.delivery.take(10)) == [(0, "ann", 1)]
    assert [(bad.partition, bad.offset, bad.error.reason) for bad in reader.skipped] == [
        (0, 7, "bad_action"),
        (0, 8, "bad_action"),
    ]
    assert reader.delivery.skipped == 2


def test_ids_far_below_others_are_handed_out() -> None:
    """A player with two connections to two edges can have them written: a detector must see them."""
    ids = [2**53 - 1, *range(1, 101)]
    reader = Reader([[written(offset, action_record("ann", action_id)) for offset, action_id in enumerate(ids)]])
    reader.fetch(0, len(ids))
    assert names(reader.delivery.take(len(ids))) == [(0, "ann", action_id) for action_id in ids]
    assert reader.delivery.duplicates == 0


def test_of_two_actions_under_one_id_the_first_is_handed_out() -> None:
    log = [written(offset, action_record("ann", 1, data=data)) for offset, data in enumerate(["first", "second"])]
    reader = Reader([log])
    reader.fetch(0, 2)
    assert [action.data for action in reader.delivery.take(2)] == ["first"]
    assert reader.delivery.duplicates == 1


def test_what_is_read_back_is_remembered_and_not_handed_out() -> None:
    log = [written(offset, action_record("ann", action_id)) for offset, action_id in enumerate([1, 2, 1, 3, 2])]
    reader = Reader([log])
    reader.committed = [2]
    reader.begin()
    reader.fetch(0, 5)
    assert names(reader.delivery.take(10)) == [(0, "ann", 3)]
    assert (reader.delivery.duplicates, reader.delivery.skipped) == (2, 0)
    assert reader.partitions[0].done == 2
    reader.delivery.processed()
    assert reader.partitions[0].done == 5
