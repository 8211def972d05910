"""What is believed of topics when brokers say different things."""

import pytest

from touchline_kafka.error_codes import TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION
from touchline_kafka.metadata.cluster_view import ClusterView, Leader, TopicAnswer
from touchline_kafka.metadata.set_back import SET_BACK_S

NAME = "topic"
OLD, NEW = b"old", b"new"
NONE = TopicAnswer(b"", {}, UNKNOWN_TOPIC_OR_PARTITION)
HIDDEN = TopicAnswer(b"", {}, TOPIC_AUTHORIZATION_FAILED)


class View:
    """The view of a cluster of three brokers, 1 to 3, that are asked for one topic."""

    def __init__(self) -> None:
        self.view = ClusterView()
        self.now_s = 0.0

    def hears(self, answers: dict[int, TopicAnswer], brokers: int = 3) -> TopicAnswer:
        for node, answer in answers.items():
            self.view.take(node, {NAME: answer}, self.now_s)
        return self.view.topic(NAME, brokers)

    def hears_for_long(self, answers: dict[int, TopicAnswer], brokers: int = 3) -> TopicAnswer:
        self.hears(answers, brokers)
        self.now_s += SET_BACK_S
        return self.hears(answers, brokers)


def led(topic_id: bytes = OLD, *leaders: tuple[int, int]) -> TopicAnswer:
    return TopicAnswer(topic_id, {index: Leader(*leader) for index, leader in enumerate(leaders or [(1, 1)])})


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_higher_leader_epoch_wins_whoever_names_it_and_never_goes_back(order: tuple[int, int]) -> None:
    view = View()
    answers = {1: led(OLD, (1, 5), (2, 9)), 2: led(OLD, (2, 6), (1, 8))}
    believed = view.hears({node: answers[node] for node in order})
    assert believed.leaders == {0: Leader(2, 6), 1: Leader(2, 9)}
    assert view.hears({1: answers[1]}) == believed
    view.view.keep([1])
    assert view.hears({1: answers[1]}) == believed


def test_a_broker_that_sees_the_leader_is_believed_before_one_that_sees_none_in_the_same_epoch() -> None:
    assert View().hears({1: led(OLD, (1, 5)), 2: led(OLD, (-1, 5))}).leaders == {0: Leader(1, 5)}
    assert View().hears({1: led(OLD, (-1, 5)), 2: led(OLD, (1, 5))}).leaders == {0: Leader(1, 5)}
    assert View().hears({1: led(OLD, (1, 5)), 2: led(OLD, (-1, 6))}).leaders == {0: Leader(-1, 6)}


def test_a_broker_that_is_behind_hides_neither_a_topic_nor_a_partition() -> None:
    view = View()
    view.hears({1: led(OLD, (1, 1))})
    assert view.hears({2: NONE, 3: NONE}).topic_id == OLD
    view.hears({1: led(OLD, (1, 1), (2, 1))})
    assert view.hears({2: led(OLD, (1, 1))}).leaders.keys() == {0, 1}


def test_a_topic_that_was_replaced_does_not_come_back_by_a_broker_that_is_behind() -> None:
    view = View()
    view.hears({1: led(OLD), 3: led(OLD)})
    assert view.hears({1: led(NEW)}).topic_id == NEW
    assert view.hears({3: led(OLD)}).topic_id == NEW
    view.view.keep([3])
    assert view.hears({3: led(OLD)}).topic_id == NEW


def test_a_topic_is_gone_once_a_broker_that_had_it_says_so() -> None:
    view = View()
    view.hears({1: led(OLD), 3: led(OLD)})
    assert view.hears({1: NONE}).error == UNKNOWN_TOPIC_OR_PARTITION
    assert view.hears({3: led(OLD)}).error == UNKNOWN_TOPIC_OR_PARTITION
    assert view.hears({2: led(NEW)}).topic_id == NEW


def test_a_topic_is_gone_when_the_broker_that_had_it_has_left_and_the_others_know_nothing_of_it() -> None:
    view = View()
    view.hears({1: led(OLD)})
    view.view.keep([2, 3])
    assert view.hears({2: NONE}).topic_id == OLD
    assert view.hears({3: NONE}).error == UNKNOWN_TOPIC_OR_PARTITION


def test_most_brokers_decide_between_two_topics_of_which_nobody_knows_the_newer_one() -> None:
    view = View()
    assert view.hears({3: led(OLD)}).topic_id == OLD
    assert view.hears({1: led(NEW)}).topic_id == OLD
    assert view.hears({2: led(NEW)}).topic_id == NEW


def test_a_broker_that_had_just_started_takes_back_what_it_said() -> None:
    view = View()
    view.hears({1: led(OLD), 2: led(OLD)})
    assert view.hears({1: NONE}).error == UNKNOWN_TOPIC_OR_PARTITION
    assert view.hears({1: led(OLD)}).topic_id == OLD


def test_a_user_who_may_not_see_a_topic_learns_that_and_not_that_it_is_gone() -> None:
    view = View()
    view.hears({1: led(OLD)})
    assert view.hears({1: HIDDEN}).error == TOPIC_AUTHORIZATION_FAILED
    assert view.hears({1: led(OLD)}).topic_id == OLD


def test_a_single_broker_that_names_an_older_leader_epoch_for_long_is_believed() -> None:
    view = View()
    view.hears({1: led(OLD, (1, 9), (1, 4), (1, 4))}, brokers=1)
    restored = {1: led(OLD, (1, 5), (1, 4))}
    before = view.hears(restored, brokers=1)
    assert before.leaders == {0: Leader(1, 9), 1: Leader(1, 4), 2: Leader(1, 4)}
    assert view.hears_for_long(restored, brokers=1).leaders == restored[1].leaders
    assert view.hears({1: led(OLD, (1, 7), (1, 6))}, brokers=1).leaders[0] == Leader(1, 7)


def test_most_brokers_are_believed_if_they_name_older_leader_epochs_for_long() -> None:
    view = View()
    view.hears({node: led(OLD, (1, 9)) for node in (1, 2, 3)})
    restored = {node: led(OLD, (2, 5)) for node in (2, 3)}
    assert view.hears_for_long(restored).leaders == {0: Leader(1, 9)}, "a broker has not taken its answer back"
    assert view.hears_for_long(restored | {1: led(OLD, (1, 4))}).leaders == {0: Leader(2, 5)}


@pytest.mark.parametrize(
    "behind",
    [
        {1: led(OLD, (1, 5))},
        {1: led(OLD, (3, 5)), 2: led(OLD, (3, 5))},
        {1: led(OLD, (-1, 5)), 2: led(OLD, (-1, 5))},
    ],
    ids=["one of three", "without the leader", "without a leader"],
)
def test_brokers_that_are_behind_are_not_believed_if_they_are_few_or_have_no_leader_among_them(
    behind: dict[int, TopicAnswer],
) -> None:
    view = View()
    believed = view.hears({3: led(OLD, (2, 9))})
    view.view.keep([1, 2])
    assert view.hears_for_long(behind) == believed


def test_a_broker_that_catches_up_within_a_moment_has_not_set_the_cluster_back() -> None:
    view = View()
    view.hears({1: led(OLD, (1, 9))}, brokers=1)
    for _ in range(3):
        view.hears({1: led(OLD, (1, 5))}, brokers=1)
        view.now_s += SET_BACK_S / 2
        assert view.hears({1: led(OLD, (1, 9))}, brokers=1).leaders == {0: Leader(1, 9)}
        view.now_s += SET_BACK_S


def test_a_broker_that_left_the_cluster_does_not_count_among_those_that_are_behind() -> None:
    view = View()
    view.hears({3: led(OLD, (3, 9))})
    view.view.keep([1, 2])
    assert view.hears_for_long({1: led(OLD, (-1, 5)), 2: led(OLD, (-1, 5))}).leaders == {0: Leader(3, 9)}
    view.view.keep([1])
    assert view.hears({1: led(OLD, (1, 5))}).leaders == {0: Leader(3, 9)}
