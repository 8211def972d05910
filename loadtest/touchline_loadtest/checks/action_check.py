"""Compares what players did with the log, with what `touchline.actions` handed out, and with the verdicts. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from touchline_loadtest.checks.breach import Breach

ENFORCED_S = 60.0
"""How long after a verdict is in the log an action may still be taken, if edges cannot read at the moment."""

MUTED, BANNED = "muted", "4503"


class Acted(NamedTuple):
    """An action as its player knows it. ``refusal`` is the code of its refusal, empty if it was acknowledged."""

    number: int
    at_s: float
    refusal: str


class Seen(NamedTuple):
    """An action in the log, or handed out by `touchline.actions`."""

    player: str
    session: str
    id: int
    kind: str
    number: int


class Sentence(NamedTuple):
    """A verdict, and when it was in the log."""

    player: str
    kind: str
    at_s: float


def check_actions(
    done: Mapping[str, Sequence[Acted]], logged: Sequence[Seen], readers: Mapping[str, Sequence[Seen]]
) -> list[Breach]:
    """All breaches of the promises about actions.

    ``logged`` is in the order of the log within each partition; ``readers`` is what each reader was handed out.
    """
    first = list(dict.fromkeys(logged))
    return [
        *_acknowledged_are_logged(done, first),
        *_in_order(first, "the log"),
        *(breach for who, seen in readers.items() for breach in _read_once(who, seen, first)),
    ]


def _acknowledged_are_logged(done: Mapping[str, Sequence[Acted]], first: Sequence[Seen]) -> Iterable[Breach]:
    in_log = {(seen.player, seen.number) for seen in first if seen.kind != "probe"}
    for player, acted in done.items():
        for action in acted:
            if not action.refusal and (player, action.number) not in in_log:
                yield Breach("action_lost", player, f"action {action.number} was acknowledged, and is not in the log")


def _in_order(seen: Iterable[Seen], where: str) -> Iterable[Breach]:
    newest: dict[tuple[str, str], int] = {}
    for action in seen:
        before = newest.get((action.player, action.session), 0)
        if action.id <= before:
            yield Breach("actions_reordered", action.player, f"{action} comes after {before} in {where}")
        newest[action.player, action.session] = action.id


def _read_once(who: str, seen: Sequence[Seen], first: Sequence[Seen]) -> Iterable[Breach]:
    counts = Counter(seen)
    yield from (
        Breach("action_doubled", who, f"{action} {count} times") for action, count in counts.items() if count > 1
    )
    yield from (Breach("action_missing", who, f"{action}") for action in first if action not in counts)
    yield from (Breach("action_invented", who, f"{action}") for action in counts if action not in set(first))
    yield from _in_order(dict.fromkeys(seen), who)


def check_verdicts(
    done: Mapping[str, Sequence[Acted]],
    sentences: Sequence[Sentence],
    probes: Mapping[tuple[str, str], str],
) -> list[Breach]:
    """All verdicts that were not enforced.

    ``probes`` has, per player and edge, the refusal of an action after the faults.
    """
    newest = {sentence.player: sentence for sentence in sentences}
    breaches: list[Breach] = []
    for player, sentence in newest.items():
        late = [action for action in done.get(player, []) if action.at_s > sentence.at_s + ENFORCED_S]
        taken = [action for action in late if not action.refusal]
        if taken and sentence.kind != "pardon":
            breaches.append(Breach("verdict_not_enforced", player, f"{taken[0]} was taken after {sentence}"))
    wanted = {"mute": MUTED, "ban": BANNED, "pardon": ""}
    for (player, edge), refusal in probes.items():
        right = wanted[newest[player].kind] if player in newest else ""
        if refusal != right:
            text = f"an action on {edge} at the end was answered with {refusal or 'an ack'}, not {right or 'an ack'}"
            breaches.append(Breach("verdict_not_enforced", player, text))
    return breaches
