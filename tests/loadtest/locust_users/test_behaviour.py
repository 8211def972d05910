"""How people behave: where they go, how long they stay, and how they cheat."""

from itertools import islice, pairwise
from random import Random

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.locust.behaviour.cheats import REACTIVE, SNIPER_S, TIMED, check_cheats, reaction, timed_acts
from touchline_loadtest.locust.behaviour.times import ACT_S_MIN, long_tail_s, until_next_action_s
from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_protocol.errors import OperatorError

SECRET = "a secret of at least thirty-two bytes"


@given(st.floats(0.1, 100), st.integers())
def test_half_of_all_visits_are_shorter_than_the_typical_one(typical_s: float, seed: int) -> None:
    random = Random(seed)
    visits = [long_tail_s(typical_s, random) for _ in range(300)]
    assert 100 < sum(visit < typical_s for visit in visits) < 200
    assert max(visits) > 1.5 * typical_s


def test_players_act_as_often_as_they_are_told_and_never_faster_than_fingers() -> None:
    random = Random(1)
    pauses = [until_next_action_s(0.5, random) for _ in range(2000)]
    assert min(pauses) >= ACT_S_MIN
    assert sum(pauses) / len(pauses) == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("cheat", TIMED)
def test_a_bot_goes_on_beyond_its_first_minute(cheat: str) -> None:
    acts = list(islice(timed_acts(cheat, Random(1)), 5000))
    times = [act.at_s for act in acts]
    assert times == sorted(times)
    assert times[-1] > 60


def test_clickers_are_faster_than_people_and_metronomes_as_regular_as_clocks() -> None:
    clicks = [act.at_s for act in islice(timed_acts("clicker", Random(1)), 500)]
    assert 500 / (clicks[-1] - clicks[0]) > 12
    beats = [act.at_s for act in islice(timed_acts("metronome", Random(1)), 100)]
    intervals = [later - earlier for earlier, later in pairwise(beats)]
    assert max(intervals) < 1.2 * min(intervals)


@pytest.mark.parametrize("cheat", REACTIVE)
def test_a_bot_answers_faster_than_a_person(cheat: str) -> None:
    assert SNIPER_S[0] <= reaction(cheat, 1, Random(1)).at_s <= SNIPER_S[1] < 0.16


def test_an_unknown_cheat_is_refused_with_a_hint() -> None:
    assert check_cheats("clicker, sniper") == ["clicker", "sniper"]
    with pytest.raises(OperatorError, match="clicker"):
        check_cheats("cliker")


def test_a_token_says_who_the_player_is_and_what_it_may_do() -> None:
    signer = TokenSigner(SECRET, audience="live", issuer="tests", life_s=60)
    token = signer.sign("ada", rooms=["score:*"], act=["cheer:*"], now_s=1000)
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, SECRET, ["HS256"], audience="live", issuer="tests", options=options)  # type: ignore[arg-type]
    who = {"sub": "ada", "iat": 1000, "exp": 1060, "aud": "live", "iss": "tests"}
    assert claims == {**who, "rooms": ["score:*"], "act": ["cheer:*"]}
