"""Which replica a client in a rack fetches from."""

from touchline_kafka.metadata.read_replicas import KEPT_S, PAUSE_S, ReadReplicas

PLACE, OTHER = (b"id", 0), (b"id", 1)
LEADER, NEAR = 1, 3


def test_a_client_without_a_rack_fetches_from_leaders() -> None:
    replicas = ReadReplicas(None)
    assert (replicas.node(PLACE, LEADER, 0.0), replicas.rack(0.0)) == (LEADER, "")


def test_the_replica_that_the_leader_names_is_used_for_a_while() -> None:
    replicas = ReadReplicas("a")
    assert (replicas.node(PLACE, LEADER, 0.0), replicas.rack(0.0)) == (LEADER, "a")
    replicas.choose(PLACE, NEAR, 10.0)
    assert [replicas.node(PLACE, LEADER, at_s) for at_s in (10.0, 9.9 + KEPT_S, 10.0 + KEPT_S)] == [NEAR, NEAR, LEADER]
    assert replicas.node(OTHER, LEADER, 10.0) == LEADER
    assert replicas.rack(10.0 + KEPT_S) == "a"


def test_no_leader_names_a_replica_for_a_while_after_one_has_failed() -> None:
    replicas = ReadReplicas("a")
    replicas.choose(PLACE, NEAR, 0.0)
    replicas.choose(OTHER, NEAR, 0.0)
    replicas.give_up(PLACE, 5.0)
    assert [replicas.node(place, LEADER, 5.0) for place in (PLACE, OTHER)] == [LEADER, NEAR]
    assert [replicas.rack(at_s) for at_s in (5.0, 4.9 + PAUSE_S, 5.0 + PAUSE_S)] == ["", "", "a"]


def test_giving_up_what_was_never_chosen_changes_nothing() -> None:
    replicas = ReadReplicas("a")
    replicas.give_up(PLACE, 5.0)
    replicas.give_up_node(LEADER, 5.0)
    assert replicas.rack(5.0) == "a"


def test_a_broker_that_is_away_is_left_out_for_all_its_partitions() -> None:
    replicas = ReadReplicas("a")
    for place, node in ((PLACE, NEAR), (OTHER, 2)):
        replicas.choose(place, node, 0.0)
    replicas.give_up_node(NEAR, 1.0)
    assert [replicas.node(place, LEADER, 1.0) for place in (PLACE, OTHER)] == [LEADER, 2]
