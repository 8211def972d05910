"""Clocks that are set, differ or lag: no honest player is accused because of them, and no bot escapes by them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from cheatwatch.acting import ROOM, Did, at
from touchline_cheatwatch.cli.metrics import Metrics, Reads
from touchline_cheatwatch.clocks.comparison import CLOCKS_MAX, SLICE_MS, STEP_MS, ClockNotice, Clocks
from touchline_cheatwatch.clocks.player_time import CLOCKS_MAX as PLAYER_CLOCKS_MAX
from touchline_cheatwatch.clocks.player_time import PlayerTime
from touchline_cheatwatch.clocks.steady import SteadyClock
from touchline_cheatwatch.engine import Engine
from touchline_cheatwatch.evaluation.evaluate import evaluate
from touchline_cheatwatch.evaluation.scenarios import SCENARIOS
from touchline_cheatwatch.rooms import Event
from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.rules.movement import Movement
from touchline_cheatwatch.rules.rate import Rate
from touchline_cheatwatch.rules.reaction import Reaction
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_cheatwatch.types import Judgement, Now

NOON_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
READ_MS = 20
"""How much later than an action arrives it is read."""

Reading = tuple[str, str, int]
"""An edge, its clock's name, and what it shows."""


def accused(
    rules: Mapping[str, Rule[Any]],
    actions: Iterable[tuple[int, str, str, Any]],
    clock: Callable[[str, int], Reading],
    *,
    events: Iterable[int] = (),
    speed: float = 1.0,
) -> dict[str, int]:
    """The players who are accused, and when they first are.

    ``actions`` are (true time, player, kind, data), ``events`` the true times of events. ``clock`` is what an edge
    makes of a player and a true time. With a ``speed`` above 1, all this is a backlog, and read that much faster.
    """
    engine, found = Engine(rules), dict[str, int]()
    course: list[tuple[int, tuple[Any, ...]]] = [(at_ms, (at_ms, *rest)) for at_ms, *rest in actions]
    course += [(at_ms, (offset,)) for offset, at_ms in enumerate(events)]
    began_ms = HOUR_MS if speed > 1 else 0
    for at_ms, what in sorted(course, key=lambda one: one[0]):
        now = at(NOON_MS + began_ms + round(at_ms / speed) + READ_MS)
        outcomes = engine.advance(now, now.steady_ms - 100)
        if len(what) == 1:
            engine.event(ROOM, Event(what[0], NOON_MS + at_ms, "Shot"), now, complete=False)
        else:
            _, player, kind, data = what
            edge, name, shows_ms = clock(player, at_ms)
            did = Did(NOON_MS + shows_ms, kind, data, player, ROOM, edge, name)
            outcomes += engine.judge(did, now)
        for outcome in outcomes:
            if isinstance(outcome, Judgement):
                found.setdefault(outcome.player, at_ms)
    return found


def taps(player: str, seconds: int, per_second: float, variation: float = 0.1) -> Iterator[tuple[int, str, str, Any]]:
    rng = Random(player)
    at_s = rng.uniform(0, 1)
    while at_s < seconds:
        yield round(at_s * 1000), player, "tap", None
        at_s += max(0.02, rng.gauss(1, variation)) / per_second


def crowd(seconds: int = 120) -> list[tuple[int, str, str, Any]]:
    """Ten honest tappers, as fast as people are."""
    return [one for number in range(10) for one in taps(f"honest-{number}", seconds, 7 + number / 5)]


def one_edge(by_ms: int, *, named: bool) -> Callable[[str, int], Reading]:
    """An edge whose clock is set after 40 s, and again after 80 s."""

    def read(_player: str, at_ms: int) -> Reading:
        sets = at_ms // 40_000
        return "edge-1", f"c{min(sets, 2)}" if named else "c", at_ms + (by_ms if sets == 1 else 0)

    return read


def two_edges(apart_ms: int, stay_ms: int) -> Callable[[str, int], Reading]:
    """Players change between two edges every ``stay_ms``."""

    def read(player: str, at_ms: int) -> Reading:
        second = (at_ms // stay_ms + len(player)) % 2
        return f"edge-{second}", f"c{second}", at_ms + second * apart_ms

    return read


STEPS_MS = [-45_000, -HOUR_MS, HOUR_MS, -3_000]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("by_ms", STEPS_MS)
def test_nobody_is_accused_because_an_edges_clock_is_set(by_ms: int, named: bool) -> None:
    assert accused(load_rule_set().rules, crowd(), one_edge(by_ms, named=named)) == {}


@pytest.mark.parametrize("stay_ms", [7_000, 30_000])
@pytest.mark.parametrize("apart_ms", [300, 45_000, HOUR_MS])
def test_nobody_is_accused_because_two_edges_clocks_differ(apart_ms: int, stay_ms: int) -> None:
    assert accused(load_rule_set().rules, crowd(), two_edges(apart_ms, stay_ms)) == {}


@pytest.mark.parametrize("clock", [one_edge(-45_000, named=True), two_edges(45_000, 7_000)])
def test_nobody_is_accused_in_a_backlog_that_is_read_fast(clock: Callable[[str, int], Reading]) -> None:
    assert accused(load_rule_set().rules, crowd(), clock, speed=50) == {}


@pytest.mark.parametrize("apart_ms", [0, 300, 45_000, HOUR_MS])
@pytest.mark.parametrize("stay_ms", [1, 1_000, 7_000])
def test_a_bot_gains_no_time_by_changing_between_edges(apart_ms: int, stay_ms: int) -> None:
    """Its time passes by each edge's clock, so that it is caught as soon as at a single edge."""
    rules = {"rate": Rate()}
    bot = list(taps("bot", 60, 20))
    single = accused(rules, bot, lambda _player, at_ms: ("edge-1", "c1", at_ms))["bot"]
    background = list(taps("honest", 60, 2))
    moved = accused(rules, bot + background, two_edges(apart_ms, stay_ms))
    assert moved.keys() == {"bot"}
    assert moved["bot"] <= single + 2 * SLICE_MS + 5_000


def test_a_bot_that_changes_between_more_edges_than_are_remembered_is_caught() -> None:
    edges = 3 * PLAYER_CLOCKS_MAX
    honest = [one for number in range(edges) for one in taps(f"honest-{number}", 90, 2)]

    def read(player: str, at_ms: int) -> Reading:
        edge = int(player[7:]) if player != "bot" else at_ms // 500 % edges
        return f"edge-{edge}", f"c{edge}", at_ms + edge * 10_000

    assert accused({"rate": Rate()}, [*honest, *taps("bot", 90, 25)], read).keys() == {"bot"}


def runs(player: str, speed: float) -> Iterator[tuple[int, str, str, Any]]:
    """Runs without an end, but is silent for 20 s out of 40."""
    for number in range(800):
        at_ms = number * 250
        if at_ms % 40_000 < 20_000:
            yield at_ms, player, "move", {"x": at_ms / 1000 * speed, "y": 0}


@pytest.mark.parametrize("apart_ms", [-HOUR_MS, -45_000, 0, 300, 45_000, HOUR_MS])
def test_a_runner_who_comes_back_to_another_edge_after_a_silence_is_judged_by_the_time_that_passed(
    apart_ms: int,
) -> None:
    background = [one for edge in range(2) for one in taps(f"honest-{edge}" + edge * "x", 200, 2)]
    actions = [*background, *runs("honest", 11), *runs("bot", 24)]
    assert accused({"movement": Movement()}, actions, two_edges(apart_ms, 40_000)).keys() == {"bot"}


@pytest.mark.parametrize("apart_ms", [-45_000, 0, 45_000])
def test_a_runner_who_changes_edges_is_not_accused_in_a_backlog_either(apart_ms: int) -> None:
    assert accused({"movement": Movement()}, runs("honest", 11), two_edges(apart_ms, 40_000), speed=50) == {}


@pytest.mark.parametrize("off_ms", [-HOUR_MS, -45_000, -200, 0, HOUR_MS])
def test_reactions_are_measured_by_clocks_that_were_compared(off_ms: int) -> None:
    events = [number * 4_000 for number in range(1, 60)]
    reacts: list[tuple[int, str, str, Any]] = []
    for player, reaction_ms in (("human", 220), ("bot", 15)):
        reacts += [(at_ms + reaction_ms, player, "react", {"offset": number}) for number, at_ms in enumerate(events)]
    found = accused({"reaction": Reaction()}, reacts, lambda _, at_ms: ("e", "c", at_ms + off_ms), events=events)
    assert found.keys() == {"bot"}


def test_reactions_in_a_backlog_are_not_measured() -> None:
    events = [number * 4_000 for number in range(1, 60)]
    reacts = [(at_ms + 220, "human", "react", {"offset": number}) for number, at_ms in enumerate(events)]
    rules = {"reaction": Reaction()}
    assert accused(rules, reacts, lambda _, at_ms: ("e", "c", at_ms - 200), events=events, speed=50) == {}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) for name in SCENARIOS])
def test_no_scenario_makes_the_rules_accuse_an_honest_player_or_miss_a_bot(name: str) -> None:
    result = evaluate(
        load_rule_set(), SCENARIOS[name], players=100, minutes=10, seed=5, on_progress=lambda _share: None
    )
    assert (result.players_accused, result.accused) == (0, {})
    assert [bot.bot for bot in result.bots if bot.caught < bot.bots * 0.75] == []


# What is said about clocks


def noticed(clocks: Clocks, ahead_ms: int, moments: Iterable[Now]) -> list[ClockNotice]:
    notices = [clocks.read_action(("e", "c"), now.unix_ms + ahead_ms, now) for now in moments]
    return [notice for notice in notices if notice is not None]


def every_second(start_s: int, seconds: int) -> list[Now]:
    return [at(NOON_MS + (start_s + number) * 1000) for number in range(seconds)]


def test_a_wrong_clock_is_noticed_once_and_so_is_its_end() -> None:
    clocks = Clocks()
    assert noticed(clocks, -20, every_second(0, 60)) == []
    other = Clocks()
    assert noticed(other, 45_000, every_second(0, 60)) == [ClockNotice("e", 45_000)]
    assert noticed(other, -20, every_second(60, 200)) == [ClockNotice("e", 0)]
    assert noticed(Clocks(), -HOUR_MS, every_second(0, 60)) == [ClockNotice("e", -HOUR_MS)]


def test_reading_that_lags_and_catches_up_is_not_taken_for_a_wrong_clock() -> None:
    clocks = Clocks()
    late = [(at(NOON_MS + second * 1000), -1_000_000 + second * 50_000) for second in range(20)]
    assert [clocks.read_action(("e", "c"), now.unix_ms + ahead_ms, now) for now, ahead_ms in late] == [None] * 20


def test_it_is_this_computers_clock_that_edges_are_compared_with_and_it_may_be_set() -> None:
    clocks = Clocks()
    assert noticed(clocks, 0, every_second(0, 30)) == []
    set_ahead = [Now(now.steady_ms, now.unix_ms + 45_000) for now in every_second(30, 30)]
    assert noticed(clocks, -45_000, set_ahead) == [ClockNotice("e", -45_000)]
    assert clocks.ahead_ms() == {"e": -45_000}


def test_a_clock_that_goes_back_without_another_name_is_noticed() -> None:
    engine = Engine({})
    first, second = (engine.judge(Did(NOON_MS - back_ms), at(NOON_MS)) for back_ms in (0, 45_000))
    assert (first, second) == ([], [ClockNotice("edge-1", set_back_ms=45_000)])


def test_the_clocks_that_are_remembered_are_bounded() -> None:
    clocks = Clocks()
    for number in range(3 * CLOCKS_MAX):
        now = at(NOON_MS + number * SLICE_MS)
        clocks.read_action(("e", f"c{number}"), NOON_MS, now)
        clocks.read_event(f"feed{number}", NOON_MS, now.steady_ms)
    assert len(clocks._edges) <= CLOCKS_MAX
    assert len(clocks._feeds) <= CLOCKS_MAX


# A player's time


receipts = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5_000), st.integers(-HOUR_MS, HOUR_MS) | st.just(0)), max_size=60
)


@given(receipts, st.booleans())
def test_a_players_time_never_goes_back_and_passes_as_fast_as_each_clock(
    steps: list[tuple[int, int, int]], known: bool
) -> None:
    """Each step: the edge, how much time passed, and by how much the edge's clock was set without a new name."""
    clocks, time, real_ms = Clocks(), PlayerTime(count()), NOON_MS
    off_ms = [number * 45_000 for number in range(21)]
    if known:
        for number in range(21):
            for second in range(0, 60, 6):
                clocks.read_action(("e", f"c{number}"), second * 1000 + off_ms[number], at(second * 1000))
    before: tuple[int, int, int, int] | None = None
    for edge, passed_ms, set_ms in steps:
        real_ms += passed_ms
        off_ms[edge] += set_ms
        moment = time.pass_to(("e", f"c{edge}"), real_ms + off_ms[edge], clocks)
        if before is not None:
            before_ms, stretch, before_edge, _ = before
            assert moment.at_ms >= before_ms
            if edge == before_edge and not set_ms and moment.stretch == stretch:
                assert passed_ms - STEP_MS <= moment.at_ms - before_ms <= passed_ms
        before = moment.at_ms, moment.stretch, edge, real_ms


def test_the_steady_clock_is_not_set_and_says_when_the_computers_is() -> None:
    monotonic_s, wall_s = 5.0, 1_000.0
    clock = SteadyClock(lambda: monotonic_s, lambda: wall_s)
    assert (clock.now(), clock.set_by_ms(STEP_MS)) == (Now(1_000_000, 1_000_000), 0)
    monotonic_s, wall_s = 6.0, 956.0
    assert (clock.now(), clock.set_by_ms(STEP_MS)) == (Now(1_001_000, 956_000), -45_000)
    assert (clock.set_by_ms(STEP_MS), clock.steady_ms(7.0)) == (0, 1_002_000)


def test_wrong_clocks_are_metrics_and_do_not_distort_the_latency() -> None:
    engine = Engine({})
    metrics = Metrics(engine, lambda: Reads({}, 0, {}, {}))
    for second in range(20):
        now = at(NOON_MS + second * 1000)
        actions = [Did(now.steady_ms + ahead_ms, edge=f"edge{ahead_ms}") for ahead_ms in (-20, 45_000)]
        metrics.found([outcome for action in actions for outcome in engine.judge(action, now)])
        metrics.judged(actions, now)
    metrics.found(engine.judge(Did(NOON_MS, edge="edge45000"), now))
    shown = generate_latest(metrics.registry).decode().splitlines()
    assert 'cheatwatch_edge_clock_ahead_seconds{edge="edge45000"} 45.0' in shown
    assert 'cheatwatch_edge_clock_ahead_seconds{edge="edge-20"} -0.02' in shown
    assert 'cheatwatch_clocks_set_back_total{edge="edge45000"} 1.0' in shown
    assert "cheatwatch_action_latency_seconds_count 25.0" in shown  # five before the clock was known to be wrong
