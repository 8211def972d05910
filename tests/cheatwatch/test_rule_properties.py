"""Properties of the rules for any input: they find nothing below the limits, use bounded memory, and never raise."""

import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cheatwatch.acting import Did, at, findings
from touchline_cheatwatch.clocks.comparison import ClockNotice
from touchline_cheatwatch.engine import Engine, Limits
from touchline_cheatwatch.players import PLAYER_BYTES_MAX
from touchline_cheatwatch.rooms import Event
from touchline_cheatwatch.rules.movement import Movement
from touchline_cheatwatch.rules.rate import Rate
from touchline_cheatwatch.rules.reaction import Reaction
from touchline_cheatwatch.rules.regularity import Regularity
from touchline_cheatwatch.rules.score import Score
from touchline_cheatwatch.ruleset import load_rule_set
from touchline_cheatwatch.types import Judgement

RATE = Rate(rate_max=5, burst_max=20)
FIELDS = ("x", "y", "score", "offset")
QUEUE_MAX = 19
"""One less than the bucket holds: an action may be made at the very moment at which the queue arrives."""


@st.composite
def honest_rates(draw: st.DrawFn) -> list[Did]:
    """At most five actions a second, over a connection that holds some back, in queues of 19 at most."""
    at_ms, released_ms, queued, arrived = 0, 0, 0, []
    for _ in range(draw(st.integers(1, 150))):
        at_ms += 200 + draw(st.sampled_from([0, 0, 0, 50, 3_000]))
        if at_ms >= released_ms:
            queued = 0
            if draw(st.booleans()):
                released_ms = at_ms + draw(st.integers(1, 10_000))
        if at_ms < released_ms:
            queued += 1
            if queued > QUEUE_MAX:
                continue
        arrived.append(Did(max(at_ms, released_ms)))
    return arrived


@given(honest_rates())
def test_rate_finds_nothing_about_honest_players(actions: list[Did]) -> None:
    assert findings(RATE, actions) == []


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_rate_finds_exactly_the_windows_with_too_much_in_them(gaps_ms: list[int]) -> None:
    """The first finding comes with the first action that ends a window, of any length, with too much in it."""
    rule = Rate(rate_max=5, burst_max=3)
    times, at_ms = [], 0
    for gap_ms in gaps_ms:
        at_ms += gap_ms
        times.append(at_ms)
    first = next(
        (
            end
            for end in range(len(times))
            if any(end - begin + 1 > 3 + 5 * (times[end] - times[begin]) / 1000 + 1e-6 for begin in range(end + 1))
        ),
        None,
    )
    found = findings(rule, map(Did, times))
    assert (found[0][0].received_ms if found else None) == (None if first is None else times[first])


@given(
    st.lists(st.tuples(st.integers(100, 300), st.floats(0, 12), st.floats(0, 6.28)), max_size=200),
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 15_000)), max_size=3),
)
def test_movement_finds_nothing_about_players_within_the_speed_limit(
    steps: list[tuple[int, float, float]], outages: list[tuple[int, int]]
) -> None:
    """A position every 0.1 to 0.3 s, at up to the limit, with outages after which everything arrives at once."""
    from math import cos, sin

    at_ms, arrived_ms, x, y = 0, 0, 0.0, 0.0
    actions = []
    for interval_ms, speed, angle in steps:
        at_ms += interval_ms
        x, y = x + cos(angle) * speed * interval_ms / 1000, y + sin(angle) * speed * interval_ms / 1000
        ends = [start + length for start, length in outages if start <= at_ms < start + length]
        arrived_ms = max([arrived_ms, at_ms, *ends])
        actions.append(Did(arrived_ms, "move", {"x": x, "y": y}))
    assert findings(Movement(), actions) == []


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = scalars | st.lists(scalars, max_size=2) | st.fixed_dictionaries(dict.fromkeys(FIELDS, scalars))
anything = st.builds(
    Did,
    received_ms=st.integers(-(10**15), 10**15) | st.integers(0, 20_000),
    kind=st.sampled_from(["tap", "move", "react", "score", "other"]),
    data=values,
    player=st.sampled_from(["ann", "bob", "cid"]),
    room=st.sampled_from([f"match:{number}" for number in range(12)]),
    clock=st.sampled_from([f"c{number}" for number in range(10)]),
)


@given(st.lists(anything, max_size=30), st.lists(st.integers(0, 20_000), max_size=10))
def test_the_rules_accept_anything_and_their_findings_can_be_encoded(actions: list[Did], events_ms: list[int]) -> None:
    from msgspec import json

    engine = Engine(load_rule_set().rules)
    for offset, ms in enumerate(events_ms):
        engine.event("match:1", Event(offset, ms, "Shot"), at(ms), complete=True)
    outcomes = [outcome for action in actions for outcome in engine.judge(action, at(20_000))]
    outcomes += engine.advance(at(20_000), 10**16)
    for outcome in outcomes:
        assert isinstance(outcome, Judgement | ClockNotice)
        json.encode(outcome._asdict())


@given(st.lists(anything, max_size=30))
def test_there_are_no_more_players_and_waiting_actions_than_allowed(actions: list[Did]) -> None:
    engine = Engine(load_rule_set().rules, limits=Limits(players_max=2, waiting_max=5))
    for now_ms, action in enumerate(actions):
        engine.judge(action, at(now_ms))
        assert engine.players <= 2
        assert engine.waiting <= 5
    engine.advance(at(10**9), 0)
    assert engine.players == 0


def test_the_memory_about_a_player_is_bounded() -> None:
    """With the parameters that remember most, and a player who fills all of the memory."""
    rules: Mapping[str, Any] = {
        "rate": Rate(rate_max=0.001, burst_max=100_000),
        "regularity": Regularity(spans=64, actions_per_span=1, interval_s_min=0.001, variation_min=0.0001),
        "reaction": Reaction(reactions=64, fast_min=64, quiet_s=0, kinds=("tap",)),
        "movement": Movement(kinds=("tap",)),
        "score": Score(kinds=("tap",), points={"*": 1e9}),
    }
    room_names = ["match:" + "x" * (122 - len(str(number))) + str(number) for number in range(40)]
    engine = Engine(rules)
    for number in range(4_000):
        room = room_names[number % 40]
        now = at(number * 1_000)
        engine.event(room, Event(number, number * 1_000, "Shot"), now, complete=False)
        data = {"x": 1.5, "y": 1.5, "score": 1.5 + number % 7}
        clock = f"{number % 20:08}"
        engine.judge(Did(number * 1_000 + number % 3, data=data, room=room, edge="edge-1", clock=clock), now)
        engine.advance(now, number * 1_000 - 10_000)
    player = engine._players.get("ann", 0)
    assert player.states.keys() == rules.keys()
    crowd = player.states["regularity"].crowd
    assert deep_size(player, {id(crowd)}) <= PLAYER_BYTES_MAX
    assert deep_size(crowd) <= CROWD_BYTES_MAX
    assert len(engine.clocks.ahead_ms()) <= 1


CROWD_BYTES_MAX = 128 * 1024


def deep_size(value: Any, seen: set[int] | None = None) -> int:
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        size += sum(deep_size(key, seen) + deep_size(one, seen) for key, one in value.items())
    elif isinstance(value, list | tuple | deque):
        size += sum(deep_size(one, seen) for one in value)
    for slot in getattr(type(value), "__slots__", ()):
        size += deep_size(getattr(value, slot), seen)
    return size
