"""Judges: it is handed actions, events, verdicts and times, and hands back findings and verdicts.

Pure: no event loop, clock or Kafka, so it runs in a service, in another process's loop, and in simulated time.
Everything in it is bounded (`Limits`). Its caller:

- hands in the rooms' events (`Engine.event`), the current verdicts and all that follow (`Engine.verdict`), and each
  action once, a player's in order (`Engine.judge`), all of them soon after they were read;
- reports periodically up to when the events are known (`Engine.advance`), because some rules wait for them;
- writes all verdicts that come out, in order.
"""

import heapq
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Annotated, Any

import msgspec

from touchline_protocol.verdicts import VerdictRecord

from .clocks.comparison import ClockNotice, Clocks
from .players import Players
from .rooms import Event, Rooms
from .rules.base import Rule, in_ms
from .sanctions import Policy, Sanctions, bounded
from .types import Action, Decision, Finding, Judgement, Now, PlayerAction, RuleFailure

Outcome = Judgement | RuleFailure | ClockNotice

_Count = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is kept in memory."""

    players_max: _Count = 100_000
    """Players remembered. Each takes a few kilobytes, at most `players.PLAYER_BYTES_MAX`."""
    idle_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 900.0
    """A player who does nothing for this long is forgotten. No rule looks further back."""
    rooms_max: _Count = 2_000
    """Rooms whose events are remembered. Each takes about 40 KB."""
    sanctions_max: _Count = 1_000_000
    """Players under a verdict. Each takes about 500 bytes. The oldest verdict is forgotten first."""
    waiting_max: _Count = 50_000
    """Actions that wait until the events up to them are known. Each takes about a hundred bytes and its data."""


class Engine:
    """The rules, and everything that is remembered for them."""

    def __init__(
        self, rules: Mapping[str, Rule[Any]], policy: Policy | None = None, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._rules = dict(rules)
        entries = [(name, rule, in_ms(rule.settle_s)) for name, rule in rules.items()]
        self._of_all_kinds = [entry for entry in entries if not entry[1].kinds]
        self._by_kind = {
            kind: [entry for entry in entries if not entry[1].kinds or kind in entry[1].kinds]
            for rule in rules.values()
            for kind in rule.kinds
        }
        self._players = Players(limits.players_max, in_ms(limits.idle_s))
        self._rooms = Rooms(limits.rooms_max)
        self._crowds = {name: rule.Crowd() for name, rule in rules.items() if rule.Crowd is not None}
        self.clocks = Clocks()
        """The clocks of edges and producers, as compared with ours."""
        self._sanctions = Sanctions(policy or Policy(), limits.sanctions_max)
        self._waiting: list[tuple[int, int, Action, str]] = []
        self._waiting_max = limits.waiting_max
        self._order = count()
        self.unjudged = 0
        """Judgements that waited too long for events, and were given up to make room for later ones."""

    @property
    def rule_names(self) -> list[str]:
        """The names of the rules, in the order of the rule set."""
        return list(self._rules)

    @property
    def players(self) -> int:
        """How many players are remembered."""
        return len(self._players)

    @property
    def waiting(self) -> int:
        """How many judgements wait for events."""
        return len(self._waiting)

    def event(self, room: str, event: Event, now: Now, *, complete: bool) -> None:
        """Add an event of a room, in the order of its offsets. ``complete``: see `Rooms.add`."""
        self.clocks.read_event(_feed(room), event.ms, now.steady_ms)
        self._rooms.add(room, event, complete=complete)

    def events_lost(self) -> None:
        """Events were missed, or their topic is a different log now: forget what was known about rooms."""
        self._rooms.forget_all()
        self.clocks.forget_feeds()

    def verdict(self, player: str, verdict: VerdictRecord) -> None:
        """Apply a verdict that anyone has written. After a pardon the player starts clean."""
        self._sanctions.apply(player, verdict)
        if verdict.kind == "pardon":
            self._players.forget(player)
            self._waiting = [one for one in self._waiting if one[2].player != player]
            heapq.heapify(self._waiting)

    def judge(self, received: PlayerAction, now: Now) -> list[Outcome]:
        """Judge the next action, which was read now."""
        outcomes: list[Outcome] = []
        clock = received.edge, received.clock
        notice = self.clocks.read_action(clock, received.received_ms, now)
        if notice is not None:
            outcomes.append(notice)
        player = self._players.get(received.player, now.steady_ms)
        at_ms, stretch, set_back_ms = player.time.pass_to(clock, received.received_ms, self.clocks)
        if set_back_ms:
            outcomes.append(ClockNotice(received.edge, set_back_ms=set_back_ms))
        action = Action(
            received.player,
            received.room,
            received.kind,
            received.data,
            received.received_ms,
            at_ms,
            stretch,
            self.clocks.event_clock_ms(clock, _feed(received.room), received.received_ms),
            received.traceparent,
        )
        for name, rule, settle_ms in self._by_kind.get(action.kind, self._of_all_kinds):
            if settle_ms:
                self._wait(now.steady_ms + settle_ms, action, name)
            elif (outcome := self._apply(name, rule, action, now)) is not None:
                outcomes.append(outcome)
        return outcomes

    def advance(self, now: Now, known_ms: int) -> list[Outcome]:
        """All events up to ``known_ms`` (by our steady clock) are here: judge the actions that waited for them, and
        forget idle players."""
        self._players.expire(now.steady_ms)
        outcomes: list[Outcome] = []
        while self._waiting and self._waiting[0][0] <= known_ms:
            _, _, action, name = heapq.heappop(self._waiting)
            if (outcome := self._apply(name, self._rules[name], action, now)) is not None:
                outcomes.append(outcome)
        return outcomes

    def _wait(self, due_ms: int, action: Action, rule_name: str) -> None:
        heapq.heappush(self._waiting, (due_ms, next(self._order), action, rule_name))
        if len(self._waiting) > self._waiting_max:
            heapq.heappop(self._waiting)
            self.unjudged += 1

    def _apply(self, name: str, rule: Rule[Any], action: Action, now: Now) -> Outcome | None:
        states = self._players.get(action.player, now.steady_ms).states
        try:
            state = states.get(name)
            if state is None:
                state = states[name] = self._new_state(name, rule)
            finding = rule.judge(action, state, self._rooms.get(action.room))
            if finding is None:
                return None
            del states[name]
            return self._judgement(name, rule, action, finding, now)
        except Exception as error:  # noqa: BLE001  # whatever a rule raises must not end all judging
            states.pop(name, None)
            return RuleFailure(name, action.player, error)

    def _new_state(self, name: str, rule: Rule[Any]) -> Any:
        crowd = self._crowds.get(name)
        return rule.State() if crowd is None else rule.State(crowd)

    def _judgement(self, name: str, rule: Rule[Any], action: Action, finding: Finding, now: Now) -> Judgement:
        evidence = bounded(finding.evidence)
        verdict = self._sanctions.decide(action.player, name, rule, evidence, now.unix_ms)
        if verdict is not None and verdict.kind != "warn":
            self._players.forget(action.player)
        return Judgement(action.player, action.room, name, action.received_ms, evidence, verdict, action.traceparent)


def verdicts_of(outcomes: Iterable[Outcome]) -> list[Decision]:
    """The verdicts to be written, in order."""
    return [
        Decision(outcome.player, outcome.verdict, outcome.traceparent)
        for outcome in outcomes
        if isinstance(outcome, Judgement) and outcome.verdict is not None
    ]


def _feed(room: str) -> str:
    return room.partition(":")[0]
