"""Compares what players did with the log, with what `touchline.actions` handed out, and with the verdicts. Pure.

`protocol/README.md`, "Acting" and "Verdicts", has the promises.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from touchline_loadtest.checks.actions import UNANSWERED, Acted, ActionEntry, LoggedAction, Verdict
from touchline_loadtest.checks.breach import Breach
from touchline_protocol.codes import BANNED, MUTED, NACKS

from .excuses import NO_EXCUSES, PATIENCE_MS, Excuses

ENFORCED_MS = 60_000
"""How long after a verdict is in the log an edge may still follow the one before, if it cannot read at the moment."""

UNANSWERED_MS = 60_000
"""How long an action may take: its player's client may have to send it again, at a slower rate."""

MUTED_CODE, BANNED_CODE = MUTED.code, str(BANNED.code)

ActionsOf = dict[tuple[str, int], Acted]
"""What became of each action in the end, by its player and value."""


def check_actions(
    acted: Iterable[Acted],
    log: Iterable[LoggedAction],
    readers: Mapping[str, Sequence[ActionEntry]] = {},
    *,
    all_known: bool = True,
) -> list[Breach]:
    """All breaches of the promises about actions.

    ``log`` is in the order of offsets within each partition; ``readers`` is what each reader was handed out.
    ``all_known``: ``acted`` has all that was sent, so the log must not have more.
    """
    actions = outcomes(acted)
    first: dict[ActionEntry, LoggedAction] = {}
    for record in log:
        first.setdefault(record.action, record)
    return [
        *_one_action_per_id(first),
        *_refusals_have_codes(actions.values()),
        *_acknowledged_are_logged(actions, first),
        *(_logged_were_sent(actions, first) if all_known else ()),
        *_in_order(first, first, "the log"),
        *(breach for who, seen in readers.items() for breach in _read_once(who, seen, first)),
    ]


def outcomes(acted: Iterable[Acted]) -> ActionsOf:
    """What became of each action. The last note counts, but an acknowledgement cannot be taken back."""
    actions: ActionsOf = {}
    for each in acted:
        known = actions.get((each.player, each.value))
        if known is None or known.code or not each.code:
            actions[each.player, each.value] = each
    return actions


def check_answers(acted: Iterable[Acted], ended_ms: float, excuses: Excuses = NO_EXCUSES) -> list[Breach]:
    """All actions that were not answered, although their players' connections held for long. The run ended then.

    That is known only of actions with a time, and whose client shows that they were sent.
    """
    breaches = []
    for action in outcomes(acted).values():
        if action.code != UNANSWERED or not action.at_ms or not action.sends:
            continue
        until_ms = min(ended_ms, excuses.connected_until(action.player, action.at_ms))
        waited_ms = until_ms - action.at_ms
        if waited_ms > UNANSWERED_MS and not excuses.explains_delay(action.player, action.at_ms, until_ms):
            text = f"{action} was not answered for {waited_ms / 1000:.0f} s"
            breaches.append(_breach("action_unanswered", None, action, text))
    return breaches


def _breach(kind: str, record: LoggedAction | None, action: ActionEntry | Acted, text: str) -> Breach:
    at_ms = action.at_ms if isinstance(action, Acted) else None
    return Breach(kind, action.player, text, action.room, None if record is None else record.offset, at_ms)


def _one_action_per_id(first: Mapping[ActionEntry, LoggedAction]) -> Iterator[Breach]:
    """The copies of an action are alike; an action has one id, and an id stands for one action."""
    by_id: dict[tuple[str, str, int], ActionEntry] = {}
    by_value: dict[tuple[str, int, str], ActionEntry] = {}
    for action, record in first.items():
        other = by_id.setdefault((action.player, action.session, action.id), action)
        if other != action:
            yield _breach("action_changed", record, action, f"{action} has the id of {other}")
            continue
        other = by_value.setdefault((action.player, action.value, action.kind), action)
        if other != action:
            yield _breach("action_doubled", record, action, f"{action} is in the log under the id {other.id}, too")


def _refusals_have_codes(actions: Iterable[Acted]) -> Iterator[Breach]:
    for action in actions:
        if action.code not in ("", UNANSWERED, BANNED_CODE) and action.code not in NACKS:
            yield _breach("action_refused_wrongly", None, action, f"{action}: no nack has this code")


def _acknowledged_are_logged(actions: ActionsOf, first: Mapping[ActionEntry, LoggedAction]) -> Iterator[Breach]:
    in_log = {(entry.player, entry.value): record for entry, record in first.items()}
    for place, action in actions.items():
        record = in_log.get(place)
        if action.code in ("", UNANSWERED):
            if action.code == "" and record is None:
                yield _breach("action_lost", None, action, f"{action} was acknowledged, and is not in the log")
            elif action.code == "" and record is not None and (text := _difference(action, record.action)):
                yield _breach("action_changed", record, action, text)
        elif record is not None and action.sends == 1:
            yield _breach("action_refused_in_log", record, action, f"{action} is in the log")


def _difference(action: Acted, entry: ActionEntry) -> str:
    """What differs between an action and its record, out of what the client shows."""
    sent = (action.session, action.id, action.room, action.kind)
    logged = (entry.session, entry.id, entry.room, entry.kind)
    differ = any(mine and theirs and mine != theirs for mine, theirs in zip(sent, logged, strict=True))
    return f"{action} is in the log as {entry}" if differ else ""


def _logged_were_sent(actions: ActionsOf, first: Mapping[ActionEntry, LoggedAction]) -> Iterator[Breach]:
    for entry, record in first.items():
        if (entry.player, entry.value) not in actions:
            yield _breach("action_invented", record, entry, f"{entry} is in the log, and nobody has sent it")


def _in_order(
    actions: Iterable[ActionEntry], records: Mapping[ActionEntry, LoggedAction], where: str
) -> Iterator[Breach]:
    newest: dict[tuple[str, str], int] = {}
    for action in actions:
        before = newest.get((action.player, action.session), 0)
        if action.id < before:
            text = f"{action} comes after {before} in {where}"
            yield _breach("actions_reordered", records.get(action), action, text)
        newest[action.player, action.session] = max(action.id, before)


def _read_once(reader: str, seen: Sequence[ActionEntry], first: Mapping[ActionEntry, LoggedAction]) -> Iterator[Breach]:
    counts = Counter(seen)
    for action, count in counts.items():
        record = first.get(action)
        if record is None:
            yield _breach("action_invented", None, action, f"{reader} received {action}, and the log does not have it")
        elif count > 1:
            yield _breach("action_doubled", record, action, f"{reader} received {action} {count} times")
    for action, record in first.items():
        if action not in counts:
            yield _breach("action_missing", record, action, f"{reader} did not receive {action}")
    yield from _in_order(counts, first, reader)


def check_verdicts(
    acted: Iterable[Acted], verdicts: Sequence[Verdict], probes: Mapping[tuple[str, str], str] = {}
) -> list[Breach]:
    """All verdicts that were not enforced.

    ``probes`` has, per player and edge, the code of the answer to an action after everything else, empty for an ack.
    """
    of_player: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in sorted(verdicts, key=lambda each: each.at_ms):
        of_player[verdict.player].append(verdict)
    breaches = [
        _breach("verdict_not_enforced", None, action, text)
        for action in outcomes(acted).values()
        if (text := _against_verdicts(action, of_player.get(action.player, ())))
    ]
    for (player, edge), code in probes.items():
        right = _code_under(of_player[player][-1] if player in of_player else None)
        if code != right:
            text = f"an action on {edge} at the end was answered with {code or 'an ack'}, not {right or 'an ack'}"
            breaches.append(Breach("verdict_not_enforced", player, text))
    return breaches


def _against_verdicts(action: Acted, verdicts: Sequence[Verdict]) -> str:
    """What is wrong with an answer, given the verdicts about the player in the order of time."""
    if action.code in (MUTED_CODE, BANNED_CODE):
        return "" if _may_be_forbidden(action, verdicts) else f"{action} was refused, and no verdict was in force"
    if action.code:
        return ""
    old = [verdict for verdict in verdicts if verdict.at_ms + ENFORCED_MS < action.at_ms]
    new = [verdict for verdict in verdicts[len(old) :] if verdict.at_ms <= action.at_ms + PATIENCE_MS]
    if not old or not all(_is_in_force(verdict, action.at_ms) for verdict in (old[-1], *new)):
        return ""
    return f"{action} was taken after {old[-1]}"


def _may_be_forbidden(action: Acted, verdicts: Sequence[Verdict]) -> bool:
    """Whether a verdict forbade an action at a time at which an edge may have answered it."""
    if not action.at_ms:
        return any(_code_under(verdict) for verdict in verdicts)
    ends_ms = [*(verdict.at_ms for verdict in verdicts[1:]), float("inf")]
    return any(
        _is_in_force(verdict, action.at_ms - PATIENCE_MS)
        and verdict.at_ms - PATIENCE_MS <= action.at_ms <= end_ms + ENFORCED_MS
        for verdict, end_ms in zip(verdicts, ends_ms, strict=False)
    )


def _is_in_force(verdict: Verdict, at_ms: float) -> bool:
    """Whether a verdict forbids actions, and has not ended by itself."""
    return _code_under(verdict) != "" and (verdict.until_ms is None or at_ms < verdict.until_ms)


def _code_under(verdict: Verdict | None) -> str:
    """The code that answers an action while this verdict is in force; empty for an ack."""
    return {"mute": MUTED_CODE, "ban": BANNED_CODE}.get("" if verdict is None else verdict.kind, "")
