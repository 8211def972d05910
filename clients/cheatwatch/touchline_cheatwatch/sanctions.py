"""The sanctions that players are under, and the verdict that follows from a finding.

Pure. It follows the topic of verdicts, including its own (`Sanctions.apply`). Only the newest record of a player
counts, so a milder verdict is never written over a harsher one that is in force, and none is written twice.

    in force    the finding says:  warn      mute      ban
    nothing                        warn      mute      ban
    warn                           -         mute      ban
    mute                           -         -         ban, at least until the end of the mute
    ban                            -         -         -

A player who is muted again soon after a mute ended is muted for longer, and banned after some mutes (`Policy`). The
evidence says how many there were, so the count survives a restart. A pardon resets it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from touchline_protocol.messages import VerdictKind
from touchline_protocol.verdicts import VerdictRecord

from .limits import VERDICT_S_MAX
from .rules.base import Rule, in_ms

EVIDENCE_BYTES_MAX = 2048
"""The size of evidence as JSON: the numbers that prove it, not everything that was seen. A compacted topic keeps it for
long."""

UNCONFIRMED_MAX = 4
"""A player's verdicts that may be on their way at once: there are three kinds, each written over a milder one."""

SEVERITY = {"pardon": 0, "warn": 1, "mute": 2, "ban": 3}
MUTES_FIELD = "mutes"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to players who go on after their mute has ended."""

    mute_factor: Annotated[float, msgspec.Meta(ge=1, le=100)] = 4.0
    """How many times as long each mute is as the one before it."""
    repeat_s: Annotated[float, msgspec.Meta(ge=0, le=365 * 86_400)] = 86_400.0
    """A mute that begins later than this after the end of the one before counts as a first one."""
    mutes_max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    """After this many mutes, each soon after the one before, the next is a ban forever. 0: never."""


class _Sanction(NamedTuple):
    """A player's sanction. ``unconfirmed``: verdicts decided here that have not come back from the topic yet."""

    verdict: VerdictRecord
    unconfirmed: tuple[VerdictRecord, ...]


class Sanctions:
    """The newest verdict of each player, for at most ``players_max`` players. The oldest is forgotten first."""

    def __init__(self, policy: Policy, players_max: int) -> None:
        self._policy = policy
        self._players_max = players_max
        self._players: OrderedDict[str, _Sanction] = OrderedDict()

    def __len__(self) -> int:
        return len(self._players)

    def apply(self, player: str, verdict: VerdictRecord) -> None:
        """Apply a verdict that anyone has written, in the order of the topic."""
        sanction = self._players.get(player)
        unconfirmed = sanction.unconfirmed if sanction is not None else ()
        if sanction is not None and unconfirmed and _is_same(unconfirmed[0], verdict):
            unconfirmed = unconfirmed[1:]
            if unconfirmed:  # a newer one is on its way, and in force already
                self._players[player] = sanction._replace(unconfirmed=unconfirmed)
                return
        self._put(player, verdict, unconfirmed)

    def in_force(self, player: str, now_ms: int) -> VerdictRecord | None:
        """The verdict that a player is under."""
        sanction = self._players.get(player)
        if sanction is None or (sanction.verdict.until is not None and sanction.verdict.until <= now_ms):
            return None
        return sanction.verdict

    def decide(
        self, player: str, rule_name: str, rule: Rule[Any], evidence: Mapping[str, Any], now_ms: int
    ) -> VerdictRecord | None:
        """The verdict that follows from a finding, from now on in force; None if it changes nothing."""
        current = self.in_force(player, now_ms)
        mutes = self._mutes_before(player, now_ms)
        kind, until = rule.verdict, self._until(rule, mutes, now_ms)
        if kind == "mute" and self._policy.mutes_max and mutes >= self._policy.mutes_max:
            kind, until = "ban", None
        if current is not None:
            if SEVERITY[kind] <= SEVERITY[current.kind]:
                return None
            if until is not None and current.kind == "mute":
                until = None if current.until is None else max(until, current.until)
        shown = {**bounded(evidence), MUTES_FIELD: mutes + (kind == "mute")}
        verdict = VerdictRecord(
            kind=kind, reason=rule.reason, until=until, rule=rule_name, evidence=shown, decided_ms=now_ms
        )
        sanction = self._players.get(player)
        unconfirmed = sanction.unconfirmed if sanction is not None else ()
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
        return now_ms + in_ms(min(rule.verdict_s * factor, VERDICT_S_MAX))

    def _mutes_before(self, player: str, now_ms: int) -> int:
        """How many mutes there were up to now, each soon after the one before."""
        sanction = self._players.get(player)
        if sanction is None:
            return 0
        verdict = sanction.verdict
        over_ms = 0 if verdict.until is None else now_ms - verdict.until
        return _mutes(verdict) if over_ms <= self._policy.repeat_s * 1000 else 0


def operator_verdict(kind: VerdictKind, reason: str, until_ms: int | None, now_ms: int) -> VerdictRecord:
    """A verdict that a person decided."""
    return VerdictRecord(kind=kind, reason=reason, until=until_ms, rule="operator", decided_ms=now_ms)


def bounded(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """``evidence``, or its size alone if it is larger than `EVIDENCE_BYTES_MAX`.

    Raises:
        TypeError: the evidence is not a JSON object, so there is a bug in the rule that created it.
    """
    size = len(msgspec.json.encode(evidence))
    return dict(evidence) if size <= EVIDENCE_BYTES_MAX else {"left_out_bytes": size}


def _is_same(decided: VerdictRecord, read: VerdictRecord) -> bool:
    return (decided.kind, decided.rule, decided.until, decided.decided_ms) == (
        read.kind,
        read.rule,
        read.until,
        read.decided_ms,
    )


def _mutes(verdict: VerdictRecord) -> int:
    """Which mute in a row a verdict is, according to its evidence, which may contain anything."""
    mutes = verdict.evidence.get(MUTES_FIELD) if isinstance(verdict.evidence, dict) else None
    return mutes if isinstance(mutes, int) and mutes >= 0 else int(verdict.kind == "mute")
