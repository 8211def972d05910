"""Every close has a code that something explains which happened to that client at that time, or it is reported."""

import pytest

from touchline_loadtest.checks.actions import Verdict
from touchline_loadtest.checks.closes import CODES, Cause, CauseKind, Close
from touchline_loadtest.checks.comparison.close_check import AFTER_MS, BEFORE_MS, Causes
from touchline_loadtest.checks.comparison.excuses import PATIENCE_MS
from touchline_protocol.codes import CLOSES, INTERNAL_ERROR

NOW = 1_000_000.0
KILLED = Cause("edge_killed", NOW, edge="edge-1")
CLOSE = Close("fan 1", 1006, NOW, edge="edge-1")


def is_explained(close: Close, *causes: Cause, verdicts: tuple[Verdict, ...] = ()) -> bool:
    return Causes(causes, verdicts).check(close) is None


@pytest.mark.parametrize("kind", CODES)
def test_a_cause_explains_its_codes_and_no_others(kind: CauseKind) -> None:
    codes = set(CLOSES) | {400, 401, 403, 404, 500, 503}
    cause = Cause(kind, NOW)
    explained = {code for code in codes if is_explained(CLOSE._replace(code=code), cause)}
    assert explained == codes & CODES[kind]


def test_every_close_of_the_specification_has_a_cause_but_failures_of_the_server() -> None:
    assert set(CLOSES) - {code for codes in CODES.values() for code in codes} == {INTERNAL_ERROR.code}


def test_a_close_without_a_cause_is_reported_with_its_client_and_time() -> None:
    breach = Causes(()).check(CLOSE._replace(code=1011, error="unavailable"))
    assert breach is not None
    assert (breach.kind, breach.client, breach.at_ms) == ("unexplained_close", "fan 1", NOW)
    assert "1011" in breach.text
    assert "unavailable" in breach.text


def test_a_cause_explains_closes_around_its_time_only() -> None:
    assert is_explained(CLOSE._replace(at_ms=NOW - BEFORE_MS), KILLED)
    assert is_explained(CLOSE._replace(at_ms=NOW + AFTER_MS), KILLED)
    assert not is_explained(CLOSE._replace(at_ms=NOW - BEFORE_MS - 1), KILLED)
    assert not is_explained(CLOSE._replace(at_ms=NOW + AFTER_MS + 1), KILLED)
    assert is_explained(CLOSE._replace(at_ms=NOW + 2 * AFTER_MS), KILLED._replace(end_ms=NOW + AFTER_MS))


def test_a_cause_explains_only_what_happened_to_its_own() -> None:
    assert not is_explained(CLOSE._replace(edge="edge-2"), KILLED)
    assert is_explained(CLOSE._replace(edge=""), KILLED), "the client never learned which edge it reached"
    left = Cause("client_left", NOW, client="fan 2")
    assert not is_explained(CLOSE._replace(code=1000), left)
    assert is_explained(CLOSE._replace(code=1000, client="fan 2"), left)
    expired = Cause("token_expired", NOW, player="ada")
    assert not is_explained(CLOSE._replace(code=4002), expired)
    assert not is_explained(CLOSE._replace(code=4002, player="bob"), expired)
    assert is_explained(CLOSE._replace(code=4002, player="ada"), expired)


def test_a_ban_explains_closes_until_it_ends() -> None:
    ban = Verdict("ada", "ban", NOW)
    close = CLOSE._replace(code=4503, player="ada")
    much_later = close._replace(at_ms=NOW + 10 * AFTER_MS)
    assert is_explained(close, verdicts=(ban,))
    assert is_explained(much_later, verdicts=(ban,))
    assert not is_explained(close._replace(player="bob"), verdicts=(ban,))
    assert not is_explained(close._replace(at_ms=NOW - BEFORE_MS - 1), verdicts=(ban,))
    assert not is_explained(much_later, verdicts=(ban, Verdict("ada", "pardon", NOW + 1)))
    assert not is_explained(much_later, verdicts=(ban._replace(until_ms=NOW + 1),))
    assert not is_explained(close, verdicts=(Verdict("ada", "mute", NOW),))


def test_a_refused_room_needs_a_cause_too() -> None:
    causes = Causes([Cause("log_unavailable", NOW, NOW + 5_000)])
    assert causes.explains_refusal("fan 1", "unavailable", NOW + 4_000)
    assert not causes.explains_refusal("fan 1", "forbidden", NOW + 4_000)
    assert not causes.explains_refusal("fan 1", "unavailable", NOW - 4_000)


def test_events_may_be_late_while_an_edge_or_the_log_hangs() -> None:
    causes = Causes([Cause("edge_stalled", NOW, NOW + 5_000), Cause("edge_killed", NOW)])
    assert causes.explains_delay("fan 1", NOW - 1_000, NOW + 6_000)
    assert not causes.explains_delay("fan 1", NOW + 6_000 + AFTER_MS, NOW + 60_000)
    assert not causes.explains_delay("fan 1", NOW - 60_000, NOW - 1)
    assert not Causes([Cause("edge_killed", NOW)]).explains_delay("fan 1", NOW - 1_000, NOW + 6_000)
    over_ms = NOW + 5_000 + AFTER_MS + PATIENCE_MS
    assert causes.explains_delay("fan 1", NOW, over_ms)
    assert not causes.explains_delay("fan 1", NOW, over_ms + 1), "what was held up has to come once that is over"


def test_a_close_without_a_time_is_not_explained_by_what_happened_at_another() -> None:
    assert not is_explained(CLOSE._replace(at_ms=0.0), KILLED)


def test_a_connection_lasts_until_the_next_close_of_its_client_or_player() -> None:
    closes = [CLOSE._replace(at_ms=NOW + 1, player="ada"), CLOSE._replace(at_ms=NOW - 1)]
    causes = Causes((), (), closes)
    assert causes.connected_until("fan 1", NOW - 1) == NOW - 1
    assert causes.connected_until("fan 1", NOW) == NOW + 1
    assert causes.connected_until("ada", 0.0) == NOW + 1
    assert causes.connected_until("fan 1", NOW + 2) == causes.connected_until("bob", 0.0) == float("inf")
