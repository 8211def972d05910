"""Which verdict follows from a finding under each current one, and how repeated mutes become longer."""

from typing import Any, Literal

import pytest

from touchline_cheatwatch.rules.rate import Rate
from touchline_cheatwatch.sanctions import Policy, Sanctions, operator_verdict
from touchline_protocol.verdicts import VerdictRecord, decode_verdict, encode_verdict

NOW_MS = 1_000_000_000
HOUR_MS = 3_600_000
KINDS: tuple[Literal["warn", "mute", "ban"], ...] = ("warn", "mute", "ban")


def sanctions(policy: Policy | None = None, players_max: int = 100) -> Sanctions:
    return Sanctions(policy or Policy(), players_max)


def decide(
    of: Sanctions,
    kind: Literal["warn", "mute", "ban"] = "mute",
    seconds: float = 60,
    now_ms: int = NOW_MS,
    player: str = "ann",
) -> VerdictRecord | None:
    return of.decide(player, "rate", Rate(verdict=kind, verdict_s=seconds), {"n": 1}, now_ms)


@pytest.mark.parametrize("current", KINDS)
@pytest.mark.parametrize("found", KINDS)
def test_only_a_harsher_verdict_replaces_one_in_force(
    current: Literal["warn", "mute", "ban"], found: Literal["warn", "mute", "ban"]
) -> None:
    of = sanctions()
    of.apply("ann", operator_verdict(current, "because", NOW_MS + 1, NOW_MS))
    verdict = decide(of, found)
    assert (verdict is not None) == (KINDS.index(found) > KINDS.index(current))
    assert decide(of, found) is None
    assert decide(of, found, player="bob") is not None


def test_an_ended_verdict_is_not_in_force() -> None:
    of = sanctions()
    of.apply("ann", operator_verdict("ban", "because", NOW_MS, NOW_MS - 1))
    verdict = decide(of, "warn", 0)
    assert verdict is not None
    assert (verdict.kind, verdict.until) == ("warn", None)


@pytest.mark.parametrize(("until_ms", "expected"), [(NOW_MS + 999_000, NOW_MS + 999_000), (None, None)])
def test_a_ban_does_not_end_before_the_mute_that_it_replaces(until_ms: int | None, expected: int | None) -> None:
    of = sanctions()
    of.apply("ann", operator_verdict("mute", "because", until_ms, NOW_MS))
    verdict = decide(of, "ban", 60)
    assert verdict is not None
    assert verdict.until == expected


def test_a_verdict_has_its_rule_reason_and_evidence() -> None:
    verdict = decide(sanctions())
    assert verdict == VerdictRecord(
        kind="mute",
        reason=Rate().reason,
        until=NOW_MS + 60_000,
        rule="rate",
        evidence={"n": 1, "mutes": 1},
        decided_ms=NOW_MS,
    )


def mutes_in_a_row(of: Sanctions, pauses_ms: list[int]) -> list[tuple[str, float | None]]:
    now_ms = NOW_MS
    verdicts: list[tuple[str, float | None]] = []
    for pause_ms in pauses_ms:
        verdict = decide(of, now_ms=now_ms)
        assert verdict is not None
        verdicts.append((verdict.kind, None if verdict.until is None else (verdict.until - now_ms) / 1000))
        now_ms = (verdict.until or now_ms) + pause_ms
    return verdicts


def test_repeated_mutes_become_longer_until_the_player_behaves_long_enough() -> None:
    policy = Policy(mute_factor=4, repeat_s=24 * 3600)
    expected = [("mute", 60), ("mute", 240), ("mute", 960), ("mute", 60)]
    assert mutes_in_a_row(sanctions(policy), [0, 23 * HOUR_MS, 25 * HOUR_MS, 0]) == expected


def test_after_mutes_max_comes_a_ban() -> None:
    policy = Policy(mute_factor=1, mutes_max=2)
    assert mutes_in_a_row(sanctions(policy), [0, 0, 0]) == [("mute", 60), ("mute", 60), ("ban", None)]


def test_the_number_of_mutes_survives_a_restart() -> None:
    before, after = sanctions(), sanctions()
    written = decide(before)
    assert written is not None
    after.apply(*decode_verdict(b"ann", encode_verdict(written)))
    assert decide(after, now_ms=NOW_MS + 1) is None
    again = decide(after, now_ms=NOW_MS + 60_000)
    assert again is not None
    assert again.until == NOW_MS + 60_000 + 240_000


@pytest.mark.parametrize("evidence", [None, 1, "x", {"mutes": "x"}, {"mutes": -1}, {"mutes": 10**400}])
def test_a_foreign_verdict_may_have_any_evidence(evidence: Any) -> None:
    of = sanctions()
    of.apply("ann", VerdictRecord(kind="mute", reason="", until=NOW_MS - 1, evidence=evidence))
    verdict = decide(of)
    assert verdict is not None
    assert verdict.until is not None
    assert verdict.until > NOW_MS + 60_000


def test_a_pardon_resets_everything() -> None:
    of = sanctions()
    decide(of)
    of.apply("ann", operator_verdict("pardon", "", None, NOW_MS))
    verdict = decide(of)
    assert verdict is not None
    assert verdict.until == NOW_MS + 60_000
    assert len(of) == 1


def test_a_verdict_decided_here_is_not_undone_when_it_comes_back_from_the_topic() -> None:
    of = sanctions()
    warn, mute = decide(of, "warn"), decide(of, "mute")
    assert warn is not None
    assert mute is not None
    of.apply(*decode_verdict(b"ann", encode_verdict(warn)))
    assert decide(of, "mute") is None
    of.apply(*decode_verdict(b"ann", encode_verdict(mute)))
    assert decide(of, "mute") is None


def test_the_order_in_the_topic_decides() -> None:
    """An operator's pardon was written just before our mute, and arrives after that was decided."""
    of = sanctions()
    mute = decide(of, "mute")
    assert mute is not None
    of.apply("ann", operator_verdict("pardon", "", None, NOW_MS))
    assert of.in_force("ann", NOW_MS) is None
    of.apply(*decode_verdict(b"ann", encode_verdict(mute)))
    assert decide(of, "mute") is None


def test_at_most_players_max_verdicts_are_remembered() -> None:
    of = sanctions(players_max=2)
    for player in ("ann", "bob", "cid"):
        decide(of, player=player)
    assert len(of) == 2
    assert decide(of, player="cid") is None
    assert decide(of, player="ann") is not None
