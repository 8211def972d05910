"""Presence by examples: what a room's askers are told, and when, on the edges of one fleet."""

import pytest

from support.core_edge import CoreClient, record
from support.presence_fleet import exchange_all, make_fleet, pass_time, told
from touchline_protocol.codecs import CODECS, MSGPACK
from touchline_protocol.messages import (
    Beat,
    Error,
    Event,
    Members,
    MembersChanged,
    Occupancy,
    Refresh,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
)
from touchline_protocol.messages import RoomRequest as Room
from touchline_protocol.server_codecs import ALL_CODECS, EVENT_STREAM
from touchline_server.core.players.grants import Patterns

ROOM = "score:1"


def count(viewers: int, *, complete: bool = True) -> Occupancy:
    return Occupancy(room=ROOM, viewers=viewers, complete=complete)


def members(*players: str, too_many: bool = False, complete: bool = True) -> Members:
    return Members(room=ROOM, players=list(players), too_many=too_many, complete=complete)


def changed(joined: list[str], left: list[str], *, complete: bool = True) -> MembersChanged:
    return MembersChanged(room=ROOM, joined=joined, left=left, complete=complete)


def test_an_asker_is_told_how_many_watch_on_all_edges_and_others_are_not() -> None:
    edges = make_fleet()
    asker, other = edges[0].watcher(occupancy=True), edges[0].watcher()
    for _ in range(3):
        edges[1].watcher()
    exchange_all(edges, rounds=2)
    assert told(asker)[-1] == count(5)
    assert told(other) == []


def test_an_edge_that_is_asked_while_the_store_is_away_has_the_number_that_its_clients_get() -> None:
    edges = make_fleet()
    asker = edges[0].watcher(occupancy=True)
    for _ in range(3):
        edges[1].watcher()
    exchange_all(edges, rounds=2)
    edges[0].watcher()
    edges[0].loop_ms += 10_000
    edges[0].exchange(arrives=False)
    edges[0].exchange(arrives=False)
    assert told(asker)[-1] == count(5, complete=False)
    assert edges[0].core.presence.viewers(ROOM) == 5
    assert edges[1].core.presence.viewers(ROOM) == 3, "nobody asks there"


def test_nothing_is_told_without_a_change() -> None:
    edges = make_fleet()
    asker = edges[0].watcher("ann", occupancy=True, members=True)
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(1), members("ann")]
    exchange_all(edges, rounds=5)
    edges[0].watcher().leave()  # has come and gone between two exchanges
    exchange_all(edges, rounds=2)
    assert told(asker) == []


def test_a_crowd_makes_one_message_per_second() -> None:
    [edge] = edges = make_fleet(1)
    asker = edge.watcher(occupancy=True)
    exchange_all(edges)
    assert told(asker) == [count(1)]
    for _ in range(10):
        edge.watcher()
        pass_time(edges, 90)
        edge.exchange()
    assert told(asker) == []
    pass_time(edges, 100)
    assert told(asker) == [count(11)]


def test_a_newcomer_learns_a_known_number_with_the_next_tick() -> None:
    [edge] = edges = make_fleet(1)
    edge.watcher(occupancy=True)
    exchange_all(edges)
    newcomer = edge.client()
    newcomer.subscribe(ROOM, occupancy=True)
    edge.tick()
    edge.run()
    subscribed, first = newcomer.take()[-2:]
    assert (type(subscribed).__name__, first) == ("Subscribed", count(1))
    exchange_all(edges)
    assert told(newcomer) == [count(2)]


def test_after_the_last_asker_has_gone_the_next_one_is_told_again() -> None:
    [edge] = edges = make_fleet(1)
    edge.watcher(occupancy=True).leave()
    later = edge.watcher(occupancy=True)  # before a report was made without the room
    exchange_all(edges)
    assert told(later) == [count(1)]
    later.leave()
    exchange_all(edges, rounds=2)
    assert edge.core.presence.take_report(edge.now.loop_ms).watched == frozenset()
    edge.core.presence.failed(edge.now.loop_ms)
    last = edge.watcher(occupancy=True)
    exchange_all(edges)
    assert told(last) == [count(1)]


@pytest.mark.parametrize("codec", ALL_CODECS, ids=repr)
def test_every_codec_has_the_messages(codec: object) -> None:
    [edge] = edges = make_fleet(1)
    assert codec in ALL_CODECS
    asker = edge.watcher("ann", codec=next(each for each in ALL_CODECS if each is codec), occupancy=True, members=True)
    exchange_all(edges)
    assert told(asker) == [count(1), members("ann")]
    edge.watcher("bob")
    exchange_all(edges)
    assert told(asker) == [count(2), changed(["bob"], [])]


def test_one_frame_per_codec_is_shared_by_all() -> None:
    [edge] = edges = make_fleet(1)
    written: list[bytes] = []

    class Recorder(CoreClient):
        def write(self, data: bytes) -> None:
            written.append(data)

    for codec in (*CODECS * 3, EVENT_STREAM):
        client = Recorder(edge, codec)
        client.greet()
        client.subscribe(ROOM, occupancy=True)
    written.clear()
    exchange_all(edges)
    assert len(written) == 7
    assert len({id(data) for data in written}) == 3


def test_a_slow_client_gets_only_the_newest_once_it_takes_again() -> None:
    [edge] = edges = make_fleet(1)
    asker = edge.watcher("ann", occupancy=True, members=True)
    exchange_all(edges)
    told(asker)
    asker.pause()
    for player in ("bob", "cid"):
        edge.watcher(player)
        exchange_all(edges)
    assert told(asker) == []
    asker.resume()
    edge.run()
    pass_time(edges, 100)
    assert told(asker) == [count(3), members("ann", "bob", "cid")]


def test_a_client_that_was_slow_without_missing_anything_is_told_nothing() -> None:
    [edge] = edges = make_fleet(1)
    asker = edge.watcher("ann", occupancy=True, members=True)
    exchange_all(edges)
    told(asker)
    asker.pause()
    asker.resume()
    edge.run()
    exchange_all(edges, rounds=2)
    assert told(asker) == []


def test_nothing_comes_after_unsubscribed() -> None:
    [edge] = edges = make_fleet(1)
    asker = edge.watcher("ann", occupancy=True, members=True)
    edge.watcher(occupancy=True)
    exchange_all(edges)
    edge.watcher("bob")
    asker.take()
    asker.send(Unsubscribe(rooms=[ROOM]))
    exchange_all(edges, rounds=2)
    assert asker.take() == [Unsubscribed(room=ROOM)]


def test_a_client_that_does_not_ask_is_not_kept_from_its_beats() -> None:
    [edge] = edges = make_fleet(1)
    edge.watcher(occupancy=True)
    other = edge.watcher()
    other.take()
    for _ in range(60):  # twice the heartbeat, with a notice to the asker in each second
        edge.watcher()
        exchange_all(edges)
    assert Beat() in other.take()


def test_events_and_notices_of_one_flush_both_arrive() -> None:
    [edge] = edges = make_fleet(1)
    asker = edge.watcher(occupancy=True)
    exchange_all(edges)
    asker.take()
    edge.watcher()
    edge.loop_ms += 1_000
    edge.learn()
    edge.ingest(record(0))
    edge.run()
    assert [type(message) for message in asker.take()] == [Occupancy, Event]


def test_a_list_begins_in_full_and_goes_on_with_changes() -> None:
    edges = make_fleet()
    asker = edges[0].watcher("ann", members=True)
    exchange_all(edges, rounds=2)
    assert told(asker) == [members("ann")]
    bob = edges[1].watcher("bob")
    exchange_all(edges, rounds=2)
    assert told(asker) == [changed(["bob"], [])]
    bob.send(Unsubscribe(rooms=[ROOM]))
    exchange_all(edges, rounds=2)
    assert told(asker) == [changed([], ["bob"])]


def test_a_player_with_several_connections_is_one_member() -> None:
    edges = make_fleet()
    asker = edges[0].watcher(members=True, player="ann", occupancy=True)
    first, second = edges[0].watcher("bob"), edges[1].watcher("bob")
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(2), members("ann", "bob"), count(3)]
    first.send(Unsubscribe(rooms=[ROOM]))
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(2)]
    second.send(Unsubscribe(rooms=[ROOM]))
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(1), changed([], ["bob"])]


def test_a_room_with_too_many_players_says_so_once_and_lists_again_later() -> None:
    [edge] = edges = make_fleet(1)
    asker = edge.watcher("ann", occupancy=True, members=True)
    others = [edge.watcher(player) for player in ("bob", "cid")]
    exchange_all(edges)
    assert told(asker) == [count(3), members("ann", "bob", "cid")]
    others += [edge.watcher("dan")]
    exchange_all(edges)
    others += [edge.watcher("eve")]
    exchange_all(edges)
    assert told(asker) == [count(4), members(too_many=True), count(5)]
    for other in others[:2]:
        other.send(Unsubscribe(rooms=[ROOM]))
    exchange_all(edges)
    assert told(asker) == [count(3), members("ann", "dan", "eve")]


def test_a_player_who_comes_back_to_another_edge_in_time_is_not_seen_leaving() -> None:
    edges = make_fleet()
    asker = edges[0].watcher("ann", members=True)
    phone = edges[1].watcher("bob")
    exchange_all(edges, rounds=2)
    told(asker)
    phone.leave()  # the connection is lost
    exchange_all(edges, rounds=3)
    edges[0].watcher("bob")
    exchange_all(edges, rounds=10)
    assert told(asker) == []


def test_a_player_who_does_not_come_back_leaves_after_the_grace() -> None:
    edges = make_fleet()
    asker = edges[0].watcher("ann", members=True, occupancy=True)
    phone = edges[1].watcher("bob")
    exchange_all(edges, rounds=2)
    told(asker)
    phone.leave()
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(1)]  # connections have no grace
    exchange_all(edges, rounds=5)
    assert told(asker) == [changed([], ["bob"])]


def test_while_the_store_is_away_numbers_are_marked_and_only_this_edges_part_moves() -> None:
    edges = make_fleet()
    asker = edges[0].watcher("ann", occupancy=True, members=True)
    for player in ("bob", None):
        edges[1].watcher(player)
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(1), members("ann"), count(3), changed(["bob"], [])]
    for _ in range(2):
        pass_time(edges, 1_000)
        edges[0].exchange(arrives=False)
    assert told(asker) == []  # it may only be late
    pass_time(edges, 1_000)
    edges[0].exchange(arrives=False)
    assert told(asker) == [count(3, complete=False), changed([], [], complete=False)]
    edges[0].watcher("cid")
    edges[1].watcher()
    pass_time(edges, 1_000)
    edges[0].exchange(arrives=False)
    assert told(asker) == [count(4, complete=False), changed(["cid"], [], complete=False)]
    exchange_all(edges, rounds=2)
    assert told(asker) == [count(4), changed([], []), count(5)]


def test_a_room_that_nobody_knew_before_the_outage_is_shown_as_this_edge_has_it() -> None:
    edges = make_fleet()
    for _ in range(4):
        pass_time(edges, 1_000)
        edges[0].exchange(arrives=False)
    asker = edges[0].watcher("ann", occupancy=True, members=True)
    pass_time(edges, 1_000)
    edges[0].exchange(arrives=False)
    assert told(asker) == [count(1, complete=False), members("ann", complete=False)]


def test_an_incomplete_answer_does_not_lower_the_other_workers_part() -> None:
    """Redis was emptied, and the other edges have not reported again yet."""
    edges = make_fleet()
    asker = edges[0].watcher("ann", occupancy=True, members=True)
    other = edges[1].watcher("bob")
    exchange_all(edges, rounds=2)
    told(asker)
    edges[0].fleet.remove("edge1")
    pass_time(edges, 1_000)
    edges[0].exchange(complete=False)
    assert told(asker) == [count(2, complete=False), changed([], [], complete=False)]
    other.send(Unsubscribe(rooms=[ROOM]))
    edges[1].exchange(arrives=False)  # so that its next report is whole
    exchange_all(edges[::-1])
    assert told(asker) == [count(1), changed([], ["bob"])]


def test_members_are_only_for_tokens_that_allow_it() -> None:
    [edge] = edges = make_fleet(1)
    for token in (None, "blind.bob"):
        client = edge.client(token=token)
        client.subscribe(ROOM, members=True)
        error = client.take()[-1]
        assert isinstance(error, Error)
        assert error.code == "members_forbidden"
        assert edge.core.presence.counts.viewers(ROOM) == 0
    exchange_all(edges)


def test_a_newer_token_without_the_claim_ends_the_subscription() -> None:
    [edge] = make_fleet(1)
    client = edge.watcher("ann", members=True)
    other = edge.watcher("ann")
    verify = edge.core.access.verify
    assert verify is not None
    edge.core.access.verify = lambda token, now_ms: verify(token, now_ms)._replace(members=Patterns([]))
    for each in (client, other):
        each.send(Refresh(token="ann"))
    codes = [message.code for message in client.take() if isinstance(message, Error)]
    assert codes == ["members_forbidden"]
    assert not any(isinstance(message, Error) for message in other.take())
    assert edge.core.presence.counts.viewers(ROOM) == 1


def test_a_refused_subscribe_changes_no_count() -> None:
    [edge] = make_fleet(1)
    client = edge.watcher("ann")
    client.send(Subscribe(rooms=[Room(room=ROOM, occupancy=True)]))
    assert edge.core.presence.counts.viewers(ROOM) == 1


def test_a_member_that_starts_over_during_a_large_flush_still_gets_its_notice() -> None:
    [edge] = edges = make_fleet(1)
    askers = [edge.watcher(f"p{number}", codec=MSGPACK, occupancy=True) for number in range(3)]
    exchange_all(edges)
    for asker in askers:
        asker.take()
    edge.watcher()
    edge.loop_ms += 1_000
    edge.learn()
    one_at_a_time = edge.core.limits.budget.with_slices(1)
    edge.turn(one_at_a_time)  # the flush has begun
    last = askers[-1]
    last.pause()
    edge.hub.rooms[ROOM].start_over()
    last.resume()
    while edge.core.wants_turn:
        edge.turn(one_at_a_time)
    exchange_all(edges, rounds=2)
    assert [message for message in told(last) if isinstance(message, Occupancy)] == [count(4)]
