"""Runs simulated players through the engine, room by room, and counts what it finds.

A room has `ROOM_PLAYERS` honest players and its share of the bots. Its history is incomplete, as for a service that was
started in the middle of a match.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from random import Random
from statistics import median
from typing import Any, NamedTuple

from touchline_cheatwatch.clocks.comparison import ClockNotice
from touchline_cheatwatch.engine import Engine, Outcome
from touchline_cheatwatch.ruleset import RuleSet
from touchline_cheatwatch.types import Now, RuleFailure

from .bots import BOTS
from .clocks import edge_clocks
from .game import GameEvent, game_events
from .humans import honest
from .network import Arrival, Connection
from .scenarios import Scenario, on_ticks

ROOM_PLAYERS = 50
BOTS_SHARE = 0.05
"""The number of bots of each kind, in proportion to the honest players."""
BOTS_MIN = 4
POOR_SHARE = 0.15
"""The share of honest players with a poor connection."""
LATENCY_S_MAX, BOT_LATENCY_S_MAX = 0.1, 0.03
"""One way. Bots have good connections: behind a slow one, a reaction of 10 ms looks like a human's, and nobody can tell
the difference."""
CAUGHT_SHARE_MIN = 0.95
"""A kind of bot counts as caught if at least this share of its instances is, or all but one: of four, one is chance."""
KINDS = frozenset({"tap", "move", "react", "score"})
"""The kinds of actions that simulated players send."""
KNOWN_DELAY_MS = 200
"""How long after an event's time a service knows that it has all events up to then."""
START_MS = 1_700_000_000_000


class Player(NamedTuple):
    """A player in a room. ``bot`` is its kind of bot; None is an honest player."""

    name: str
    bot: str | None


class SimulatedAction(NamedTuple):
    """An action as the engine receives it."""

    player: str
    room: str
    kind: str
    data: Any
    received_ms: int
    edge: str
    clock: str
    traceparent: str | None = None


class BotResult(NamedTuple):
    """How many bots of a kind there were, how many of them its rule caught, and how long that took, in seconds."""

    bot: str
    rule: str
    bots: int
    caught: int
    median_s: float | None
    max_s: float | None

    @property
    def is_caught(self) -> bool:
        """Whether the rule catches this kind of bot."""
        return self.bots - self.caught <= max(1, int(self.bots * (1 - CAUGHT_SHARE_MIN)))


class Result(NamedTuple):
    """The result of one simulation. ``accused`` counts honest players by the rule that accused them."""

    players: int
    minutes: float
    actions: int
    bots: Sequence[BotResult]
    accused: dict[str, int]
    players_accused: int

    @property
    def is_good(self) -> bool:
        """Whether every kind of bot is caught, and no honest player is accused."""
        return not self.players_accused and all(bot.is_caught for bot in self.bots)


def evaluate(
    rule_set: RuleSet,
    scenario: Scenario,
    *,
    players: int,
    minutes: float,
    seed: int,
    on_progress: Callable[[float], None],
) -> Result:
    """Simulate. ``on_progress`` receives the share that is done, from 0 to 1. Exceptions of rules are passed on."""
    rules = rules_of_bots(rule_set)
    tally = _Tally(rules)
    rooms = max(1, round(players / ROOM_PLAYERS))
    bots = [bot for _ in range(max(BOTS_MIN, round(players * BOTS_SHARE))) for bot in rules]
    for number in range(rooms):
        crowd = [Player(f"honest-{one}", None) for one in range(number, players, rooms)]
        crowd += [Player(f"{bots[one]}-{one}", bots[one]) for one in range(number, len(bots), rooms)]
        rng = Random(f"{seed}/{number}")  # noqa: S311 - nothing here is a secret
        _Room(rule_set, scenario, f"match:{number}", crowd, minutes * 60, rng, tally).run()
        on_progress((number + 1) / rooms)
    return tally.result(players, minutes)


def rules_of_bots(rule_set: RuleSet) -> dict[str, str]:
    """For each kind of bot that a rule of this set is meant for: the name of the rule that must catch it."""
    return {
        bot: name for bot, (kind, _) in BOTS.items() for name, rule in rule_set.rules.items() if isinstance(rule, kind)
    }


class _Tally:
    """What was found, over all rooms. ``rules`` maps each kind of bot to the rule that must catch it."""

    def __init__(self, rules: dict[str, str]) -> None:
        self.actions = 0
        self.bots: Counter[str] = Counter()
        self._rules = rules
        self._caught_s: dict[str, dict[str, float]] = {bot: {} for bot in rules}
        self._accused: dict[str, set[str]] = {}

    def is_caught(self, player: Player) -> bool:
        return player.bot is not None and player.name in self._caught_s[player.bot]

    def found(self, player: Player, rule: str, after_s: float) -> None:
        """Count a finding ``after_s`` the player's first action. Catching a bot by another rule does not count."""
        if player.bot is None:
            self._accused.setdefault(rule, set()).add(player.name)
        elif rule == self._rules[player.bot]:
            self._caught_s[player.bot].setdefault(player.name, after_s)

    def result(self, players: int, minutes: float) -> Result:
        bots = []
        for bot, rule in self._rules.items():
            times = list(self._caught_s[bot].values())
            times_s = (median(times), max(times)) if times else (None, None)
            bots.append(BotResult(bot, rule, self.bots[bot], len(times), *times_s))
        accused = {rule: len(names) for rule, names in self._accused.items()}
        return Result(players, minutes, self.actions, bots, accused, len(set().union(*self._accused.values())))


class _Room:
    """One room and its players. The engine gets actions and events in the order in which Kafka had them."""

    def __init__(
        self,
        rule_set: RuleSet,
        scenario: Scenario,
        name: str,
        crowd: Sequence[Player],
        seconds: float,
        rng: Random,
        tally: _Tally,
    ) -> None:
        self._engine = Engine(rule_set.rules, rule_set.policy, rule_set.limits)
        self._name = name
        self._tally = tally
        self._players = {player.name: player for player in crowd}
        self._started_s: dict[str, float] = {}
        events = game_events(rng, seconds)
        network = _Network(scenario, seconds, events, rng)
        arrivals = [(one.at_s, player, one) for player in crowd for one in network.actions_of(player)]
        logged = [(one.logged_s, None, one) for one in events]
        self._timeline: list[tuple[float, Player | None, Any]] = sorted([*arrivals, *logged], key=itemgetter(0))
        tally.bots.update(player.bot for player in crowd if player.bot is not None)

    def run(self) -> None:
        for at_s, player, one in self._timeline:
            now_ms = START_MS + round(at_s * 1000)
            now = Now(now_ms, now_ms)
            self._count(self._engine.advance(now, now_ms - KNOWN_DELAY_MS), at_s)
            if player is None:
                event = one.record._replace(ms=START_MS + one.record.ms)
                self._engine.event(self._name, event, now, complete=False)
            elif not self._tally.is_caught(player):
                self._started_s.setdefault(player.name, at_s)
                self._tally.actions += 1
                self._count(self._engine.judge(self._action(player, one), now), at_s)

    def _action(self, player: Player, action: Arrival) -> SimulatedAction:
        received_ms = START_MS + action.received_ms
        return SimulatedAction(
            player.name, self._name, action.kind, action.data, received_ms, action.edge, action.clock
        )

    def _count(self, outcomes: Sequence[Outcome], at_s: float) -> None:
        for outcome in outcomes:
            if isinstance(outcome, RuleFailure):
                raise outcome.error
            if isinstance(outcome, ClockNotice):
                continue
            player = self._players[outcome.player]
            self._tally.found(player, outcome.rule, at_s - self._started_s[player.name])


class _Network:
    """How the players of a room reach the edges."""

    def __init__(self, scenario: Scenario, seconds: float, events: Sequence[GameEvent], rng: Random) -> None:
        self._tick_s = scenario.tick_s
        self._seconds = seconds
        self._events = events
        self._rng = rng
        self._clocks = edge_clocks(rng, seconds, steps=scenario.steps, apart_s=scenario.apart_s)

    def actions_of(self, player: Player) -> Iterator[Arrival]:
        """A player's actions as they arrive, in order."""
        rng, is_bot = self._rng, player.bot is not None
        latency_s_max = BOT_LATENCY_S_MAX if is_bot else LATENCY_S_MAX
        poor = not is_bot and rng.random() < POOR_SHARE
        connection = Connection(rng, self._seconds, self._clocks, latency_s_max=latency_s_max, poor=poor)
        play = honest if player.bot is None else BOTS[player.bot][1]
        actions = sorted(play(rng, self._seconds, self._events, connection.latency_s), key=attrgetter("at_s"))
        if self._tick_s and not is_bot:
            actions = on_ticks(rng, self._tick_s, actions)
        return connection.deliver(actions)
