"""Events that are lost, repeated, reordered, changed, or do not belong to the room."""

from random import Random

from msgspec.structs import replace

from checker.histories import KEYS, History
from checker.spots import MISSING, UNSEEN, Expected, Spot, entries_of, epochs, spots
from touchline_loadtest.checks.trace import Asked, Item, Joined, Left, Received, Settled, Shown, Skipped


def drop(history: History, random: Random) -> Expected | None:
    """An event does not arrive."""
    for spot in spots(history, random, Received):
        event = spot.received
        if spot.events_later() or spot.settles():
            skips = any(isinstance(item, Skipped) for item in spot.trace.items)
            spot.put()
            # Within the range of a `skipped`, it is taken for another one that was left out.
            return Expected(spot.trace.client, {*MISSING, "wrong_skip"}, set() if skips else {event.offset})
    return None


def duplicate(history: History, random: Random) -> Expected | None:
    """An event arrives twice, at once or later."""
    for spot in spots(history, random, Received):
        event = spot.received
        others = len([*spot.later()])
        spot.trace.items.insert(spot.place + 1 + random.randint(0, others), event)
        return Expected(spot.trace.client, {"doubled"}, {event.offset})
    return None


def swap(history: History, random: Random) -> Expected | None:
    """Two events arrive in the wrong order."""
    for spot in spots(history, random, Received):
        event, rest = spot.received, [*spot.later()]
        if rest and isinstance(rest[0], Received):
            spot.trace.items[spot.place : spot.place + 2] = [rest[0], event]
            # Within the range of a `skipped`, the late event was taken for one that was left out.
            return Expected(spot.trace.client, {"reordered", "doubled"}, {event.offset})
    return None


def wrong_value(history: History, random: Random) -> Expected | None:
    """An event has other data than the log."""
    for spot in spots(history, random, Received):
        event = spot.received
        spot.put(replace(event, value=UNSEEN))
        return Expected(spot.trace.client, {"wrong_event", "not_in_log"}, {event.offset})
    return None


def wrong_key(history: History, random: Random) -> Expected | None:
    """An event has another key."""
    for spot in spots(history, random, Received):
        event = spot.received
        spot.put(replace(event, key=random.choice([key for key in (None, *KEYS) if key != event.key])))
        return Expected(spot.trace.client, {"wrong_event"}, {event.offset})
    return None


def wrong_removal(history: History, random: Random) -> Expected | None:
    """An event removes a key, or keeps it, against the log."""
    for spot in spots(history, random, Received):
        event = spot.received
        spot.put(replace(event, removal=not event.removal))
        return Expected(spot.trace.client, {"wrong_event"}, {event.offset})
    return None


def wrong_prev(history: History, random: Random) -> Expected | None:
    """An event claims to follow an older one than it does."""
    for spot in spots(history, random, Received):
        event = spot.received
        if event.prev is not None:
            spot.put(replace(event, prev=event.prev - 1))
            return Expected(spot.trace.client, {"wrong_prev"}, {event.offset})
    return None


def stranger(history: History, random: Random) -> Expected | None:
    """An event of another room arrives."""
    names = epochs(history)
    for spot in spots(history, random, Received):
        event = spot.received
        log = names.log(event.epoch)
        behind = [] if log is None else [each for each in history.world.strangers[log] if each.offset > event.offset]
        if behind:
            spot.put(event, Received(event.epoch, behind[0].offset, event.offset, behind[0].value))
            return Expected(spot.trace.client, {"not_in_log"}, {behind[0].offset})
    return None


def other_log(history: History, random: Random) -> Expected | None:
    """An event of another partition, or of the topic's earlier life, arrives in place of one."""
    names = epochs(history)
    for spot in spots(history, random, Received):
        event = spot.received
        log = names.log(event.epoch)
        for other in history.world.entries:
            for entry in entries_of(history, other):
                taken = {each.offset for each in entries_of(history, log)}
                if other != log and entry.offset not in taken and entry.offset > event.offset:
                    spot.put(event, Received(event.epoch, entry.offset, None, entry.value, entry.key, entry.removal))
                    return Expected(spot.trace.client, {"ambiguous_epoch", "not_in_log"}, {entry.offset, event.offset})
    return None


def end_lost(history: History, random: Random) -> Expected | None:
    """The newest events never arrive, though the client waits for them."""
    for spot in spots(history, random, Received):
        if spot.settles() and not spot.events_later():
            event = spot.received
            spot.trace.items[spot.place :] = [Settled()]
            return Expected(spot.trace.client, {"missing_at_end"}, {event.offset})
    return None


def before_the_answer(history: History, random: Random) -> Expected | None:
    """An event arrives before the `subscribed` of its connection, or without one."""
    for spot in spots(history, random, Received):
        event, (asked, before) = spot.received, [Left(), Left(), *spot.trace.items[: spot.place]][-2:]
        if isinstance(asked, Asked) and isinstance(before, Joined):
            items: list[Item] = [event, before]
            spot.trace.items[spot.place - 1 : spot.place + 1] = items[: random.randint(1, 2)]
            return Expected(spot.trace.client, {"before_joined"}, {event.offset})
    return None


def after_it_left(history: History, random: Random) -> Expected | None:
    """An event arrives after the client has left."""
    for spot in spots(history, random, Left):
        events = [item for item in spot.trace.items[: spot.place] if isinstance(item, Received)]
        if events:
            event = replace(events[-1], offset=events[-1].offset + 1)
            spot.put(spot.item, event)
            return Expected(spot.trace.client, {"before_joined"}, {event.offset})
    return None


def newest_missing_when_it_leaves(history: History, random: Random) -> Expected | None:
    """The newest event does not arrive, though the client stays on for long before it leaves."""
    for spot in spots(history, random, Left):
        assert isinstance(spot.item, Left)
        place = spot.place - 1
        while isinstance(spot.trace.items[place], Shown):
            place -= 1
        event = spot.trace.items[place]
        if spot.item.at_ms and isinstance(event, Received):
            spot.trace.items[place : spot.place] = []
            cursor = Spot(spot.trace, place).cursor
            if cursor is None or epochs(history).log(cursor[0]) is None:
                return None  # no client shows which log this was
            return Expected(spot.trace.client, {"stalled", "recovered_wrongly"}, {event.offset})
    return None
