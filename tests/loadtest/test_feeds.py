"""The feeds: their pace and sizes, and that they follow from their seed."""

from itertools import pairwise, takewhile

import msgspec

from touchline_loadtest.feeds.moments import Moment
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
