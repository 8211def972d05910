"""How players stand, and what verdict follows from a finding.

Pure. It follows the topic of verdicts (`Standings.take`), its own among them: the newest record of a player alone
counts, so a milder verdict is never written over a harsher one that holds, and none is written twice.

    holds now    finding says:  warn      mute      ban
    nothing                     warn      mute      ban
    warn                        -         mute      ban
    mute                        -         -         ban, until the end of the mute at least
    ban                         -         -         -

Who is muted again soon after a mute ended is muted for longer, and after some mutes banned (`Policy`). How many there
were stands in the evidence, so it is known after a restart. A pardon wipes it out.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from touchline_protocol.messages import VerdictKind
from touchline_protocol.verdicts import VerdictRecord

from .rules.base import VERDICT_S_MAX, Rule

EVIDENCE_BYTES_MAX = 2048
"""As JSON: numbers that show it, not all that was seen. A compacted topic keeps it for long."""

UNCONFIRMED_MAX = 4
"""Verdicts of a player that may be on their way at once: there are three kinds, each written over a milder one."""

SEVERITY = {"pardon": 0, "warn": 1, "mute": 2, "ban": 3}
MUTES_FIELD = "mutes"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of players who go on after their mute ended."""

    mute_factor: Annotated[float, msgspec.Meta(ge=1, le=100)] = 4.0
    """Each mute is so many times as long as the one before it."""
    repeat_s: Annotated[float, msgspec.Meta(ge=0, le=365 * 86_400)] = 86_400.0
    """A mute that begins later than this after the end of the one before is a first one."""
    mutes_max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    """After so many mutes, each soon after the one before, the next is a ban for ever. 0: never."""


class _Sanction(NamedTuple):
    """How a player stands. ``unconfirmed``: verdicts that were decided here and not yet seen in the topic."""

    verdict: VerdictRecord
    unconfirmed: tuple[VerdictRecord, ...]


class Sanctions:
    """The newest verdict of each player, of at most ``players_max``: beyond it the oldest is forgotten."""

    def __init__(self, policy: Policy, players_max: int) -> None:
        self._policy = policy
        self._players_max = players_max
        self._players: OrderedDict[str, _Sanction] = OrderedDict()

    def __len__(self) -> int:
        return len(self._players)

    def apply(self, player: str, verdict: VerdictRecord) -> None:
        """A verdict that was written, by whomever, in the order of the topic."""
        standing = self._players.get(player)
        unconfirmed = standing.unconfirmed if standing is not None else ()
        if standing is not None and unconfirmed and _is_same(unconfirmed[0], verdict):
            unconfirmed = unconfirmed[1:]
            if unconfirmed:  # a newer one is on its way, and stands already
                self._players[player] = standing._replace(unconfirmed=unconfirmed)
                return
        self._put(player, verdict, unconfirmed)

    def holding(self, player: str, now_ms: int) -> VerdictRecord | None:
        """The verdict that a player is under."""
        standing = self._players.get(player)
        if standing is None or (standing.verdict.until is not None and standing.verdict.until <= now_ms):
            return None
        return standing.verdict

    def decide(
        self, player: str, rule_name: str, rule: Rule[Any], evidence: Mapping[str, Any], now_ms: int
    ) -> VerdictRecord | None:
        """The verdict that follows from a finding, which is taken as written; None where nothing new does."""
        holding = self.holding(player, now_ms)
        mutes = self._mutes_before(player, now_ms)
        kind, until = rule.verdict, self._until(rule, mutes, now_ms)
        if kind == "mute" and self._policy.mutes_max and mutes >= self._policy.mutes_max:
            kind, until = "ban", None
        if holding is not None:
            if SEVERITY[kind] <= SEVERITY[holding.kind]:
                return None
            if until is not None and holding.kind == "mute":
                until = None if holding.until is None else max(until, holding.until)
        shown = {**bounded(evidence), MUTES_FIELD: mutes + (kind == "mute")}
        verdict = VerdictRecord(
            kind=kind, reason=rule.reason, until=until, rule=rule_name, evidence=shown, decided_ms=now_ms
        )
        standing = self._players.get(player)
        unconfirmed = standing.unconfirmed if standing is not None else ()
        self._put(player, verdict, (*unconfirmed, verdict)[-UNCONFIRMED_MAX:])
        return verdict

    def _put(self, player: str, verdict: VerdictRecord, unconfirmed: tuple[VerdictRecord, ...]) -> None:
        self._players.pop(player, None)
        if verdict.kind == "pardon":
            return
        kept = msgspec.structs.replace(verdict, evidence={MUTES_FIELD: _mutes(verdict)})
        self._players[player] = _Sanction(kept, unconfirmed)
        if len(self._players) > self._players_max:
            self._players.popitem(last=False)

    def _until(self, rule: Rule[Any], mutes: int, now_ms: int) -> int | None:
        if not rule.verdict_s:
            return None
        factor = self._policy.mute_factor ** min(mutes, 100) if rule.verdict == "mute" else 1.0
        return now_ms + round(min(rule.verdict_s * factor, VERDICT_S_MAX) * 1000)

    def _mutes_before(self, player: str, now_ms: int) -> int:
        """How many mutes came one soon after the other up to now."""
        standing = self._players.get(player)
        if standing is None:
            return 0
        verdict = standing.verdict
        over_ms = 0 if verdict.until is None else now_ms - verdict.until
        return _mutes(verdict) if over_ms <= self._policy.repeat_s * 1000 else 0


def operator_verdict(kind: VerdictKind, reason: str, until_ms: int | None, now_ms: int) -> VerdictRecord:
    """A verdict that a person wrote."""
    return VerdictRecord(kind=kind, reason=reason, until=until_ms, rule="operator", decided_ms=now_ms)


def bounded(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """``evidence``, or a word in its place if it is larger than `EVIDENCE_BYTES_MAX`.

    Raises:
        TypeError: it is no JSON object, so the rule that made it is wrong.
    """
    size = len(msgspec.json.encode(evidence))
    return dict(evidence) if size <= EVIDENCE_BYTES_MAX else {"left_out_bytes": size}


def _is_same(verdict: VerdictRecord, heard: VerdictRecord) -> bool:
    return (verdict.kind, verdict.rule, verdict.until, verdict.decided_ms) == (
        heard.kind,
        heard.rule,
        heard.until,
        heard.decided_ms,
    )


def _mutes(verdict: VerdictRecord) -> int:
    """How many mutes a verdict is the last of, as its evidence says; anything can stand there."""
    mutes = verdict.evidence.get(MUTES_FIELD) if isinstance(verdict.evidence, dict) else None
    return mutes if isinstance(mutes, int) and mutes >= 0 else int(verdict.kind == "mute")
