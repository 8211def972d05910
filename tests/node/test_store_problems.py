"""One outage of Redis has its reason once, under one subject."""

from typing import NamedTuple

from touchline_server.node.fleet.store_problems import PLAYERS, PRESENCE, REDIS, store_problems

TOPIC = "touchline-presence"


class Records(NamedTuple):
    topic: str = TOPIC
    problem: str | None = None
    outbox_problem: str | None = None


def test_nothing_is_wrong_without_a_reason() -> None:
    assert store_problems({}, players=None, presence=None, records=Records()) == {}
    assert store_problems({}, players=None, presence=None, records=None) == {}


def test_an_outage_has_its_reason_once_and_each_part_says_what_it_does_meanwhile() -> None:
    records = Records(problem="late", outbox_problem="late")
    problems = dict(store_problems({REDIS: "away"}, players="away", presence="gone", records=records))
    assert set(problems) == {REDIS, PLAYERS, PRESENCE, TOPIC}
    assert len(set(problems.values())) == len(problems)
    assert problems.pop(REDIS) == "away"
    for what in problems.values():
        assert REDIS in what
        assert not any(reason in what for reason in ("away", "gone", "late"))


def test_a_part_that_fails_alone_has_its_reason() -> None:
    assert "refused" in store_problems({}, players="refused", presence=None, records=None)[PLAYERS]
    unwritten = Records(problem="no such topic")
    assert store_problems({REDIS: "away"}, players=None, presence=None, records=unwritten)[TOPIC] == "no such topic"


def test_other_problems_of_the_database_stay() -> None:
    assert store_problems({"eviction": "keys"}, players=None, presence=None, records=None) == {"eviction": "keys"}
