"""Games that hand out input on a tick: their honest players are not taken for timers, and timers are still found."""

from collections.abc import Iterable, Iterator
from random import Random

import pytest

from cheatwatch.acting import Did, room_of
from touchline_cheatwatch.rules.input_ticks import ESTIMATE_ACTIONS_MIN, PLAYERS_MAX, TIMES_MAX, InputTicks
from touchline_cheatwatch.rules.regularity import Regularity

SECONDS = 120


def hand(player: str, per_second: float, variation: float = 0.08) -> Iterator[int]:
    """Taps of a hand that neither tires nor drifts, which is harder than a human's."""
    rng, at_s = Random(player), 1.0
    while at_s < SECONDS:
        yield round(at_s * 1000)
        at_s += max(0.02, rng.gauss(1, variation)) / per_second


def timer(player: str, interval_s: float) -> Iterator[int]:
    """Taps of a program that sends by itself."""
    rng = Random(player)
    for number in range(int(SECONDS / interval_s)):
        yield round((1 + (number + rng.uniform(0, 0.04)) * interval_s) * 1000)


def on_tick(times: Iterable[int], hz: float, *, one_a_tick: bool) -> list[int]:
    ticks = [-(-at_ms * hz // 1000) for at_ms in times]
    return [round(tick * 1000 / hz) for tick in (sorted(set(ticks)) if one_a_tick else ticks)]


def found(players: dict[str, Iterable[int]], rule: Regularity | None = None) -> set[str]:
    """The players who are found, behind a network with a little jitter."""
    rule, crowd, rng = rule or Regularity(), InputTicks(), Random(1)
    states = {player: rule.State(crowd) for player in players}
    arrivals = sorted((at_ms + rng.expovariate(0.3), player) for player, times in players.items() for at_ms in times)
    actions = [Did(round(at_ms), player=player).at() for at_ms, player in arrivals]
    return {action.player for action in actions if rule.judge(action, states[action.player], room_of()) is not None}


def game(hz: float, count: int, *, one_a_tick: bool = True) -> dict[str, Iterable[int]]:
    return {
        f"honest-{number}": on_tick(hand(f"honest-{number}", 2.5 + number / 4), hz, one_a_tick=one_a_tick)
        for number in range(count)
    }


@pytest.mark.parametrize("one_a_tick", [True, False])
@pytest.mark.parametrize("hz", [4, 5, 8, 10, 15, 20, 30, 60])
def test_nobody_is_found_because_a_game_has_an_input_tick(hz: float, one_a_tick: bool) -> None:
    assert found(game(hz, 20, one_a_tick=one_a_tick)) == set()


@pytest.mark.parametrize("hz", [5, 10])
def test_without_the_tick_of_the_others_some_would_be_found(hz: float) -> None:
    """So that the tests above test something."""
    assert {player for player, times in game(hz, 20).items() if found({player: times})} != set()


@pytest.mark.parametrize("hz", [5, 10, 30])
@pytest.mark.parametrize("interval_s", [0.113, 0.171, 0.267, 0.438])
def test_a_timer_beside_such_a_game_is_found(interval_s: float, hz: float) -> None:
    assert found({**game(hz, 20), "bot": timer("bot", interval_s)}) == {"bot"}


def test_timers_are_found_among_hands_and_even_if_they_are_alike() -> None:
    hands: dict[str, Iterable[int]] = {f"honest-{number}": hand(f"{number}", 3 + number / 5) for number in range(20)}
    bots: dict[str, Iterable[int]] = {f"bot-{number}": timer(f"bot-{number}", 0.25) for number in range(10)}
    assert found({**hands, **bots}) == bots.keys()


def test_a_game_with_few_players_can_name_its_tick() -> None:
    rule = Regularity(tick_s=0.2)
    assert found(game(5, 2), rule) == set()
    assert found({**game(5, 2), "bot": timer("bot", 0.27)}, rule) == {"bot"}


def test_what_is_remembered_is_bounded() -> None:
    ticks = InputTicks()
    for number in range(3 * PLAYERS_MAX):
        for at_ms in range(0, 5_000, 100):
            ticks.add(f"player-{number}", at_ms, is_continued=True)
    assert len(ticks._players) == PLAYERS_MAX
    assert all(len(times) <= TIMES_MAX for times in ticks._players.values())


def test_a_tick_is_not_looked_for_at_every_action() -> None:
    ticks = InputTicks()
    assert ticks.tick_ms() is None
    for at_ms in range(0, (ESTIMATE_ACTIONS_MIN - 10) * 100, 100):
        for player in range(6):
            ticks.add(f"player-{player}", at_ms, is_continued=True)
        if at_ms == 5_000:
            assert ticks.tick_ms() is None
    assert ticks.tick_ms() == pytest.approx(100, rel=0.01)
