"""Events that are left out, and a `skipped` that does not name exactly those."""

from random import Random

from msgspec.structs import replace

from checker.histories import History
from checker.spots import MISSING, Expected, entries_of, epochs, is_judged, spots
from touchline_loadtest.checks.trace import Received, Skipped


def skipped_too_many(history: History, random: Random) -> Expected | None:
    """`skipped` counts an event that arrives."""
    for spot in spots(history, random, Skipped):
        assert isinstance(spot.item, Skipped)
        if is_judged(spot, spot.item.last):
            spot.put(replace(spot.item, left_out=spot.item.left_out + 1))
            return Expected(spot.trace.client, {"wrong_skip"}, set())
    return None


def skipped_too_few(history: History, random: Random) -> Expected | None:
    """`skipped` does not count an event that was left out."""
    for spot in spots(history, random, Skipped):
        assert isinstance(spot.item, Skipped)
        if is_judged(spot, spot.item.last) and spot.item.left_out > 1:
            spot.put(replace(spot.item, left_out=spot.item.left_out - 1))
            return Expected(spot.trace.client, {"wrong_skip"}, set())
    return None


def skipped_range_too_short(history: History, random: Random) -> Expected | None:
    """An event is left out that is not in the range of `skipped`."""
    for spot in spots(history, random, Skipped):
        skipped = spot.item
        assert isinstance(skipped, Skipped)
        if is_judged(spot, skipped.last) and skipped.last > skipped.first:
            spot.put(replace(skipped, last=skipped.last - 1))
            return Expected(spot.trace.client, MISSING, set())
    return None


def skipped_unannounced(history: History, random: Random) -> Expected | None:
    """Superseded events are left out, and no `skipped` says so."""
    for spot in spots(history, random, Skipped):
        skipped = spot.item
        assert isinstance(skipped, Skipped)
        if is_judged(spot, skipped.last):
            spot.put()
            return Expected(spot.trace.client, MISSING, {skipped.first})
    return None


def newest_left_out(history: History, random: Random) -> Expected | None:
    """With ``latest``, the newest event of a key, or one without a key, is left out and named."""
    names = epochs(history)
    for spot in spots(history, random, Received):
        event = spot.received
        log = names.log(event.epoch)
        newer = [each for each in entries_of(history, log) if each.key == event.key and each.offset > event.offset]
        is_needed = event.key is None or not newer
        if spot.trace.deliver == "latest" and is_needed and spot.events_later():
            spot.put(Skipped(event.offset, event.offset, 1))
            return Expected(spot.trace.client, MISSING, {event.offset})
    return None


def skipped_though_all_are_wanted(history: History, random: Random) -> Expected | None:
    """With ``all``, a superseded event is left out and named."""
    for spot in spots(history, random, Received):
        event = spot.received
        if spot.trace.deliver == "all" and spot.events_later():
            spot.put(Skipped(event.offset, event.offset, 1))
            return Expected(spot.trace.client, MISSING, {event.offset})
    return None


def skipped_too_early(history: History, random: Random) -> Expected | None:
    """An event is left out before the log has the one that supersedes it."""
    names = epochs(history)
    for spot in spots(history, random, Skipped):
        skipped = spot.item
        assert isinstance(skipped, Skipped)
        events = spot.events_later()
        log = names.log(events[0].epoch) if events else None
        entries = [each for each in entries_of(history, log) if each.offset >= skipped.first]
        if entries and entries[0].offset == skipped.first and is_judged(spot, skipped.last):
            newer = next(each for each in entries[1:] if each.key == entries[0].key)
            spot.put(replace(skipped, at_ms=newer.order - 1))
            return Expected(spot.trace.client, MISSING, {skipped.first})
    return None
