"""Judges: is handed actions, events, verdicts and times, and hands back findings and verdicts.

Pure: no loop, no clock, no Kafka, so it runs in a service, in another process's loop, and in simulated time. Everything
in it is bounded (`Limits`). Whoever drives it:

- hands in the rooms' events (`Engine.event`), the standing verdicts and all that follow (`Engine.verdict`), and each
  action once, a player's in order (`Engine.judge`);
- says from time to time up to when the events are known (`Engine.advance`): rules that join actions to events wait;
- writes the verdicts that come out, all of them, in order.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Annotated, Any

import msgspec

from touchline_protocol.verdicts import VerdictRecord

from .players import PlayerStates
from .rooms import Event, Rooms
from .rules.base import Rule, in_ms
from .sanctions import Policy, Sanctions, bounded
from .types import Action, Finding, Judgement, RuleFailure

Outcome = Judgement | RuleFailure

_Count = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is kept in memory."""

    players_max: _Count = 100_000
    """Players whose doings are remembered; each takes a few kilobytes, `players.PLAYER_BYTES_MAX` at most."""
    idle_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 900.0
    """A player who did nothing for so long is forgotten. No rule looks farther back."""
    rooms_max: _Count = 2_000
    """Rooms whose events are remembered; each takes some 40 KB."""
    sanctions_max: _Count = 1_000_000
    """Players under a verdict; each takes some 500 bytes. Beyond it the oldest verdict is forgotten."""
    waiting_max: _Count = 50_000
    """Actions that wait until the events up to them are known, at some hundred bytes and their data each."""


class Engine:
    """The rules, and all that is remembered for them."""

    def __init__(
        self, rules: Mapping[str, Rule[Any]], policy: Policy | None = None, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._rules = dict(rules)
        self._by_kind: dict[str, list[tuple[str, Rule[Any]]]] = {}
        self._settle_ms = {name: in_ms(rule.settle_s) for name, rule in rules.items()}
        self._of_all_kinds = [(name, rule) for name, rule in self._rules.items() if not rule.kinds]
        for kind in {kind for rule in self._rules.values() for kind in rule.kinds}:
            self._by_kind[kind] = [
                (name, rule) for name, rule in self._rules.items() if not rule.kinds or kind in rule.kinds
            ]
        self._players = PlayerStates(limits.players_max, in_ms(limits.idle_s))
        self._rooms = Rooms(limits.rooms_max)
        self._sanctions = Sanctions(policy or Policy(), limits.sanctions_max)
        self._waiting: list[tuple[int, int, Action, str]] = []
        self._waiting_max = limits.waiting_max
        self._order = count()
        self._known_ms = 0
        self.unjudged = 0
        """Actions that waited for events too long, and were given up for those that came after them."""

    @property
    def players(self) -> int:
        """How many players are remembered."""
        return len(self._players)

    @property
    def waiting(self) -> int:
        """How many judgements wait for events."""
        return len(self._waiting)

    def event(self, room: str, event: Event, *, complete: bool) -> None:
        """An event of a room, in the order of its offsets. ``whole``: see `Rooms.add`."""
        self._rooms.add(room, event, complete=complete)

    def events_lost(self) -> None:
        """Events were missed, or their topic is another log now: what was known of rooms is forgotten."""
        self._rooms.forget_all()

    def verdict(self, player: str, verdict: VerdictRecord) -> None:
        """A verdict that was written, by whomever. After a pardon the player starts clean."""
        self._sanctions.apply(player, verdict)
        if verdict.kind == "pardon":
            self._players.forget(player)
            self._waiting = [one for one in self._waiting if one[2].player != player]
            heapq.heapify(self._waiting)

    def judge(self, action: Action, now_ms: int) -> list[Outcome]:
        """The next action. ``now_ms``: of the verdicts' clock, in Unix milliseconds."""
        outcomes: list[Outcome] = []
        for name, rule in self._by_kind.get(action.kind, self._of_all_kinds):
            settle_ms = self._settle_ms[name]
            if settle_ms and action.received_ms + settle_ms > self._known_ms:
                self._wait(action.received_ms + settle_ms, action, name)
            elif (outcome := self._apply(name, rule, action, now_ms)) is not None:
                outcomes.append(outcome)
        return outcomes

    def advance(self, now_ms: int, known_ms: int) -> list[Outcome]:
        """All events up to ``known_ms`` are handed in: judge what waited for them, and forget who is idle."""
        self._known_ms = max(self._known_ms, known_ms)
        self._players.expire(now_ms)
        outcomes: list[Outcome] = []
        while self._waiting and self._waiting[0][0] <= self._known_ms:
            _, _, action, name = heapq.heappop(self._waiting)
            if (outcome := self._apply(name, self._rules[name], action, now_ms)) is not None:
                outcomes.append(outcome)
        return outcomes

    def _wait(self, due_ms: int, action: Action, rule_name: str) -> None:
        heapq.heappush(self._waiting, (due_ms, next(self._order), action, rule_name))
        if len(self._waiting) > self._waiting_max:
            heapq.heappop(self._waiting)
            self.unjudged += 1

    def _apply(self, name: str, rule: Rule[Any], action: Action, now_ms: int) -> Outcome | None:
        states = self._players.states(action.player, now_ms)
        try:
            state = states.get(name)
            if state is None:
                state = states[name] = rule.State()
            finding = rule.judge(action, state, self._rooms.get(action.room))
            if finding is None:
                return None
            del states[name]
            return self._judged(name, rule, action, finding, now_ms)
        except Exception as error:  # noqa: BLE001  # whatever a rule of others raises must not end all judging
            states.pop(name, None)
            return RuleFailure(name, action.player, error)

    def _judged(self, name: str, rule: Rule[Any], action: Action, finding: Finding, now_ms: int) -> Judgement:
        evidence = bounded(finding.evidence)
        verdict = self._sanctions.decide(action.player, name, rule, evidence, now_ms)
        if verdict is not None and verdict.kind != "warn":
            self._players.forget(action.player)
        return Judgement(action.player, action.room, name, action.received_ms, evidence, verdict)


def verdicts_of(outcomes: Iterable[Outcome]) -> list[tuple[str, VerdictRecord]]:
    """The verdicts to be written, with their players, in order."""
    return [
        (outcome.player, outcome.verdict)
        for outcome in outcomes
        if isinstance(outcome, Judgement) and outcome.verdict is not None
    ]
