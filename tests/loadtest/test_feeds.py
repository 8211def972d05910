"""The feeds: their pace and sizes, and that they follow from their seed."""

import statistics
from collections import Counter
from itertools import pairwise, takewhile

import msgspec
import pytest

from matches.known import KNOWN, MADE_UP, Known
from touchline_demo.matches.statsbomb import read_match
from touchline_loadtest.feeds import evening
from touchline_loadtest.feeds.evening import generated_match
from touchline_loadtest.feeds.moments import Moment
from touchline_loadtest.feeds.profile import derive, load
from touchline_loadtest.feeds.tracking import PITCH_M, Position, rooms, tracking


def first_seconds(seconds: float, matches: int = 2, seed: int = 7) -> list[Moment]:
    return list(takewhile(lambda moment: moment.due_s < seconds, tracking(rooms(matches), seed)))


def test_everybody_s_position_comes_25_times_a_second_under_its_own_key() -> None:
    moments = first_seconds(2)
    assert len(moments) == 2 * 2 * 25
    assert [moment.due_s for moment in moments] == sorted(moment.due_s for moment in moments)
    for room in rooms(2):
        ticks = [moment for moment in moments if moment.room == room]
        assert len(ticks) == 50
        for tick in ticks:
            keys = [event.key for event in tick.events]
            assert len(set(keys)) == len(keys) == 23


def test_ticks_of_different_matches_do_not_coincide() -> None:
    assert len({moment.due_s % (1 / 25) for moment in first_seconds(1 / 25, matches=3)}) == 3


def test_positions_move_at_the_speeds_of_people_and_stay_on_the_pitch() -> None:
    decode = msgspec.json.Decoder(Position).decode
    moments = first_seconds(20, matches=1)
    tracks = [[decode(event.value) for event in events] for events in zip(*(m.events for m in moments), strict=True)]
    for track in tracks:
        for before, after in pairwise(track):
            step_m = ((after.x - before.x) ** 2 + (after.y - before.y) ** 2) ** 0.5
            assert step_m <= (25 if track[0].id == "ball" else 8) / 25 + 0.02  # both ends are rounded to a centimetre
        assert max(abs(position.x) for position in track) <= PITCH_M[0] / 2
        assert max(abs(position.y) for position in track) <= PITCH_M[1] / 2
        assert {position.x for position in track} != {track[0].x}


def test_the_seed_decides_every_position() -> None:
    assert first_seconds(1) == first_seconds(1)
    assert first_seconds(1) != first_seconds(1, seed=8)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_generated_matches_have_the_rates_sizes_bursts_and_keys_of_the_profile(seed: int) -> None:
    profile = load()
    generated = derive([list(generated_match(profile, seed, number)) for number in range(6)], "generated")
    assert generated.events_per_match == pytest.approx(profile.events_per_match, rel=0.08)
    assert generated.event_bytes == pytest.approx(profile.event_bytes, rel=0.03)
    assert generated.score_bytes == pytest.approx(profile.score_bytes, rel=0.1)
    assert statistics.fmean(generated.gaps_s) == pytest.approx(statistics.fmean(profile.gaps_s), rel=0.08)
    for number in range(4):
        assert generated.busy_seconds[number] == pytest.approx(profile.busy_seconds[number], abs=0.03), number
    assert burst_share(generated.busy_seconds) == pytest.approx(burst_share(profile.busy_seconds), abs=0.02)
    for kind in ("Pass", "Ball Receipt*", "Carry", "Pressure"):
        ours, theirs = generated.kinds[kind], profile.kinds[kind]
        assert ours.per_match == pytest.approx(theirs.per_match, rel=0.12), kind
        assert statistics.fmean(ours.sizes_bytes) == pytest.approx(statistics.fmean(theirs.sizes_bytes), rel=0.03), kind
    assert generated.keys_per_match["clock"] == pytest.approx(profile.keys_per_match["clock"], abs=4)
    assert generated.keys_per_match["period"] == profile.keys_per_match["period"]
    assert 0.5 <= generated.keys_per_match["last_goal"] <= 8


def burst_share(busy_seconds: dict[int, float]) -> float:
    """The share of seconds with four events or more."""
    return sum(share for number, share in busy_seconds.items() if number >= 4)


def test_an_evening_plays_all_matches_at_once_at_their_usual_rate() -> None:
    moments = list(takewhile(lambda moment: moment.due_s < 180, evening.evening(load(), 3)))
    assert {moment.room for moment in moments} == set(evening.rooms(evening.MATCHES))
    under_way = [moment for moment in moments if moment.due_s >= evening.KICK_OFF_SPREAD_S]
    rate_hz = len(under_way) / (180 - evening.KICK_OFF_SPREAD_S)
    usual_hz = load().events_per_match / sum(load().halves_s) + 1 / 60  # and a clock a minute
    assert rate_hz == pytest.approx(evening.MATCHES * usual_hz, rel=0.1)
    assert [moment.due_s for moment in moments] == sorted(moment.due_s for moment in moments)


def test_a_generated_match_follows_from_its_seed_alone_and_its_score_from_its_shots() -> None:
    match = list(generated_match(load(), 5, 0))
    assert match == list(generated_match(load(), 5, 0))
    assert match != list(generated_match(load(), 6, 0))
    goals = [item for item in match if item.data.get("shot") == {"outcome": {"name": "Goal"}}]
    assert len(goals) == Counter(item.key for item in match)["last_goal"] > 0
    *_, final = (item.data for item in match if item.key == "score")
    assert final["home"]["goals"] + final["away"]["goals"] == len(goals)


def test_recorded_matches_are_replayed_in_as_many_rooms_as_wanted() -> None:
    match = read_match(MADE_UP.path)
    moments = list(evening.replayed([match.timeline], 1, matches=3))
    for room in evening.rooms(3):
        feed = room.partition(":")[0]
        expected = [msgspec.json.encode(item.data) for item in match.timeline if item.feed == feed]
        assert [event.value for moment in moments if moment.room == room for event in moment.events] == expected


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.path.stem)
def test_a_profile_counts_what_a_recorded_match_has(known: Known) -> None:
    profile = derive([read_match(known.path).timeline], "")
    assert profile.events_per_match == known.events
    assert sum(kind.per_match for kind in profile.kinds.values()) == pytest.approx(known.events)
    assert profile.keys_per_match["last_goal"] == len(known.goals)
    assert sum(profile.busy_seconds.values()) == pytest.approx(1, abs=0.001)


def test_the_profile_that_is_shipped_is_derived_from_the_matches_that_it_names() -> None:
    real = [known for known in KNOWN if known is not MADE_UP]
    if len(real) == 2:  # the repository does not have them
        assert derive([read_match(known.path).timeline for known in real], load().source) == load()
