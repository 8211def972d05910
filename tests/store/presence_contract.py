"""The contract of presence: one suite for both fleets, in memory and in Redis. A test module provides ``fleet``."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from store.presence_fleets import Fleet, drained
from touchline_server.core.presence.port import TOO_MANY, InRoom, MemberChanges, Report

ROOM = "match:1"
OTHER = "match:2"
BOTH = frozenset({ROOM, OTHER})
NONE: frozenset[str] = frozenset()


def whole(
    viewers: Mapping[str, int] | None = None,
    players: Mapping[str, int] | None = None,
    watched: AbstractSet[str] = NONE,
    listed: AbstractSet[str] = NONE,
) -> Report:
    """A report of everything. Players are in `ROOM`."""
    there = {InRoom(ROOM, player): connections for player, connections in (players or {}).items()}
    return Report(True, viewers or {}, there, watched, listed)


def change(
    viewers: Mapping[str, int] | None = None,
    players: Mapping[str, int] | None = None,
    watched: AbstractSet[str] = NONE,
    listed: AbstractSet[str] = NONE,
) -> Report:
    """A report of what has changed."""
    return whole(viewers, players, watched, listed)._replace(is_whole=False)


class PresenceContract:
    """What each `PresenceStore` promises."""

    async def test_totals_are_over_all_workers(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        assert (await one.exchange(whole({ROOM: 40}, watched=BOTH))).viewers == {ROOM: 40, OTHER: 0}
        assert (await two.exchange(whole({ROOM: 55, OTHER: 1}, watched=BOTH))).viewers == {ROOM: 95, OTHER: 1}
        assert (await one.exchange(change(watched=BOTH))).viewers == {ROOM: 95, OTHER: 1}
        assert (await one.exchange(change(watched=BOTH))).viewers == {}
        assert (await one.viewers([ROOM, "match:3"])).viewers == {ROOM: 95, "match:3": 0}

    async def test_only_watched_rooms_that_changed_are_named(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        watched = frozenset({ROOM})
        await one.exchange(whole(watched=watched))
        await two.exchange(whole({ROOM: 1, OTHER: 1}))
        assert (await one.exchange(change(watched=watched))).viewers == {ROOM: 1}
        await two.exchange(change({ROOM: 5, OTHER: 2}))
        await two.exchange(change({ROOM: 1}))
        assert (await one.exchange(change(watched=watched))).viewers == {}, "it is as it was"
        assert (await one.exchange(change(watched=BOTH))).viewers == {OTHER: 2}, "it was not watched before"
        await two.exchange(change({ROOM: 7}))
        assert (await one.exchange(change())).viewers == {}
        assert (await one.exchange(change(watched=watched))).viewers == {ROOM: 7}

    async def test_members_are_listed_in_full_first_and_then_as_changes(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        listed = frozenset({ROOM})
        await one.exchange(whole({ROOM: 2}, {"ann": 1, "bob": 1}))
        assert (await two.exchange(whole({ROOM: 1}, {"ann": 1}, listed=listed))).members == {
            ROOM: frozenset({"ann", "bob"})
        }
        await one.exchange(change(players={"ann": 0, "bob": 0, "cid": 2, "dee": 1}))
        await one.exchange(change(players={"dee": 0, "cid": 1}))
        assert (await two.exchange(change(listed=listed))).members == {
            ROOM: MemberChanges(joined=frozenset({"cid"}), left=frozenset({"bob"}))
        }
        await one.exchange(change(players={"cid": 0}))
        await one.exchange(change(players={"cid": 1}))
        assert (await two.exchange(change(listed=listed))).members == {}, "it is as it was"
        assert (await one.exchange(change(listed=listed))).members == {ROOM: frozenset({"ann", "cid"})}

    async def test_a_room_with_too_many_players_is_listed_again_once_there_are_fewer(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        listed = frozenset({ROOM})
        await one.exchange(whole(listed=listed))
        await two.exchange(whole(players={"a": 1, "b": 1}))
        assert (await one.exchange(change(listed=listed))).members == {ROOM: MemberChanges(frozenset("ab"), NONE)}
        await two.exchange(change(players={"c": 1, "d": 1, "e": 1}))
        assert (await one.exchange(change(listed=listed))).members == {ROOM: TOO_MANY}
        await two.exchange(change(players={"f": 1}))
        assert (await one.exchange(change(listed=listed))).members == {}
        await two.exchange(change(players={"a": 0, "b": 0}))
        assert (await one.exchange(change(listed=listed))).members == {}
        await two.exchange(change(players={"f": 0}))
        assert (await one.exchange(change(listed=listed))).members == {ROOM: frozenset("cde")}

    async def test_many_changes_between_two_answers_are_added_up(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        listed = frozenset({ROOM})
        await one.exchange(whole(listed=listed))
        await two.exchange(whole(players={"a": 1}))
        for n in range(20):
            await two.exchange(change(players={f"p{n}": 1, f"p{n - 1}": 0}))
        assert (await one.exchange(change(listed=listed))).members == {
            ROOM: MemberChanges(frozenset({"a", "p19"}), NONE)
        }

    async def test_a_whole_report_replaces_all_before_and_is_answered_in_full(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        listed = frozenset({ROOM})
        await two.exchange(whole({ROOM: 1}, {"zoe": 1}))
        for _ in range(2):
            await one.exchange(whole({ROOM: 1, OTHER: 3}, {"ann": 1, "bob": 1}, BOTH, listed))
            answer = await one.exchange(whole({ROOM: 2}, {"bob": 1}, BOTH, listed))
            assert (answer.viewers, answer.members) == ({ROOM: 3, OTHER: 0}, {ROOM: frozenset({"bob", "zoe"})})

    async def test_a_dead_worker_counts_nowhere_and_counts_again_once_it_is_back(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        listed = frozenset({ROOM})
        everything = whole({ROOM: 3, OTHER: 1}, {"ann": 1, "bob": 1})
        await one.exchange(everything)
        await two.exchange(whole({ROOM: 1}, {"bob": 1}, BOTH, listed))
        await fleet.kill("one")
        answer = await two.exchange(change(watched=BOTH, listed=listed))
        assert answer.viewers == {ROOM: 1, OTHER: 0}
        assert answer.members == {ROOM: MemberChanges(NONE, frozenset({"ann"}))}
        await one.exchange(everything)
        answer = await two.exchange(change(watched=BOTH, listed=listed))
        assert answer.viewers == {ROOM: 4, OTHER: 1}
        assert answer.members == {ROOM: MemberChanges(frozenset({"ann"}), NONE)}

    async def test_what_a_store_has_lost_of_a_worker_is_back_once_the_worker_names_it_again(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        room = frozenset({ROOM})
        await one.exchange(whole({ROOM: 3}, {"ann": 1, "bob": 1}))
        await two.exchange(whole({ROOM: 1}, {"bob": 1}, room, room))
        assert (await one.exchange(change({ROOM: 3}, {"ann": 1, "bob": 1}))).viewers == {}, "nothing has changed"
        answer = await two.exchange(change(watched=room, listed=room))
        assert (answer.viewers, answer.members) == ({}, {})
        await fleet.lose(ROOM)
        await one.exchange(change({ROOM: 3}, {"ann": 1, "bob": 1}))
        await two.exchange(change({ROOM: 1}, {"bob": 1}, room, room))
        answer = await two.exchange(whole({ROOM: 1}, {"bob": 1}, room, room))
        assert (answer.viewers, answer.members) == ({ROOM: 4}, {ROOM: frozenset({"ann", "bob"})})

    async def test_names_of_all_kinds_are_told_apart(self, fleet: Fleet) -> None:
        store = fleet.worker("one")
        names = ["é", "%s", "{presence.1}", "a:b", "0", "-1", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "x" * 128]
        rooms = frozenset(f"match:{name}" for name in names)
        players = {InRoom(room, name): 1 for room in rooms for name in names[:3]}
        answer = await store.exchange(Report(True, dict.fromkeys(rooms, 1), players, rooms, rooms))
        assert answer.viewers == dict.fromkeys(rooms, 1)
        assert answer.members == dict.fromkeys(rooms, frozenset(names[:3]))
        gone = dict.fromkeys(players, 0)
        answer = await store.exchange(Report(False, dict.fromkeys(rooms, 0), gone, rooms, rooms))
        assert answer.members == dict.fromkeys(rooms, MemberChanges(NONE, frozenset(names[:3])))


class OutboxContract:
    """What each `Outbox` promises."""

    async def test_changes_are_recorded_once_in_order(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        await one.exchange(whole({ROOM: 1}, {"ann": 1}))
        await two.exchange(whole({ROOM: 2}, {"ann": 1, "bob": 2}))
        await one.exchange(change({ROOM: 0}, {"ann": 0}))
        await two.exchange(change({ROOM: 5}, {"ann": 2}))
        await two.exchange(change({ROOM: 0}, {"ann": 0, "bob": 0}))
        records = await drained(fleet.outbox("one"))
        assert [(record.kind, record.player) for record in records[:3]] == [
            ("room_occupied", None),
            ("player_joined", "ann"),
            ("player_joined", "bob"),
        ]
        assert {(record.kind, record.player) for record in records[3:5]} == {("player_left", p) for p in ("ann", "bob")}
        assert [record.kind for record in records[5:]] == ["room_empty"]
        assert {record.room for record in records} == {ROOM}
        assert [record.seq for record in records] == sorted({record.seq for record in records})
        assert await drained(fleet.outbox("two")) == []

    async def test_a_dead_workers_players_leave_before_its_rooms_are_empty(self, fleet: Fleet) -> None:
        one, two = fleet.worker("one"), fleet.worker("two")
        await one.exchange(whole({ROOM: 1}, {"ann": 1}))
        await fleet.kill("one")
        for _ in range(2):
            await two.exchange(whole())
        assert [record.kind for record in await drained(fleet.outbox("two"))] == [
            "room_occupied",
            "player_joined",
            "player_left",
            "room_empty",
        ]

    async def test_records_wait_until_they_are_written(self, fleet: Fleet) -> None:
        store, outbox = fleet.worker("one"), fleet.outbox("one")
        await store.exchange(whole({ROOM: 1}, {"ann": 1}))
        first = await outbox.take()
        assert (await outbox.take()).waiting == first.waiting
        await store.exchange(change({ROOM: 0}, {"ann": 0}))
        rest = await outbox.take(first.waiting[:1])
        assert rest.waiting[:1] == first.waiting[1:]
        assert [waiting.record.kind for waiting in rest.waiting] == ["player_joined", "player_left", "room_empty"]
        await outbox.leave(rest.waiting[:2])
        assert [record.kind for record in await drained(fleet.outbox("two"))] == ["room_empty"]

    async def test_a_room_whose_records_were_dropped_has_a_record_of_its_state(self, fleet: Fleet) -> None:
        store, outbox = fleet.worker("one"), fleet.outbox("one")
        await store.exchange(whole({ROOM: 3, OTHER: 1}, {"ann": 1}))
        await store.exchange(change(players={"bob": 1}))
        many = [f"p{n}" for n in range(600)]
        await store.exchange(change(players=dict.fromkeys(many, 1)))
        await store.exchange(change(players=dict.fromkeys(many, 0)))
        taken = await outbox.take()
        assert taken.dropped > 0
        records = await drained(outbox)
        state = {record.room: record for record in records if record.kind == "room_state"}
        assert (state[ROOM].viewers, sorted(state[ROOM].players or ())) == (3, ["ann", "bob"])
        assert max(record.seq for record in records if record.room == ROOM) == state[ROOM].seq
        assert (await outbox.take()).dropped == 0, "each is reported once"
