"""States that are not those of the log."""

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from checker.histories import History
from checker.spots import UNSEEN, Expected, entries_of, epochs, spots
from touchline_loadtest.checks.trace import Joined, Shown


def _wrong_state(
    history: History, random: Random, change: Callable[[Joined], dict[str, int] | None]
) -> Expected | None:
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined = spot.joined
        state = None if joined.recovered or names.log(joined.epoch) is None else change(joined)
        if state is not None:
            spot.put(replace(joined, state=state))
            return Expected(spot.trace.client, {"wrong_state"}, {joined.head})
    return None


def stale_state(history: History, random: Random) -> Expected | None:
    """A key has a value from before its newest one."""
    names = epochs(history)

    def change(joined: Joined) -> dict[str, int] | None:
        for entry in entries_of(history, names.log(joined.epoch)):
            old = entry.key is not None and entry.key in joined.state and not entry.removal
            if old and joined.state[entry.key or ""] != entry.value and entry.offset <= joined.head:
                return {**joined.state, entry.key or "": entry.value}
        return None

    return _wrong_state(history, random, change)


def state_too_new(history: History, random: Random) -> Expected | None:
    """A key has the value of an event behind ``head``."""
    names = epochs(history)

    def change(joined: Joined) -> dict[str, int] | None:
        log = names.log(joined.epoch)
        right = {} if log is None else history.room.state(log, joined.head)
        for entry in entries_of(history, log):
            if entry.key is None or entry.removal or entry.offset <= joined.head:
                continue
            newest = right.get(entry.key)
            if newest is None or newest.value != entry.value:
                return {**joined.state, entry.key: entry.value}
        return None

    return _wrong_state(history, random, change)


def key_missing(history: History, random: Random) -> Expected | None:
    """A key is missing from a state that is said to be complete."""

    def change(joined: Joined) -> dict[str, int] | None:
        for key, value in joined.state.items():
            entries = [each for entries in history.world.entries.values() for each in entries if each.value == value]
            if joined.complete and not any(history.room.is_deleted(entry) for entry in entries):
                return {each: value for each, value in joined.state.items() if each != key}
        return None

    return _wrong_state(history, random, change)


def key_too_many(history: History, random: Random) -> Expected | None:
    """The state has a key that no event has."""
    return _wrong_state(history, random, lambda joined: {**joined.state, "referee": UNSEEN})


def state_of_another_log(history: History, random: Random) -> Expected | None:
    """The state is the one from before the topic was created again."""
    names = epochs(history)

    def change(joined: Joined) -> dict[str, int] | None:
        log = names.log(joined.epoch)
        for other, entries in history.world.entries.items():
            if log is not None and other.generation != log.generation:
                state = {each.key: each.value for each in entries if each.key is not None and not each.removal}
                if state:
                    return state
        return None

    return _wrong_state(history, random, change)


def wrong_state_after_resume(history: History, random: Random) -> Expected | None:
    """A client that came back shows a state that is not that of the log."""
    for spot in spots(history, random, Shown):
        assert isinstance(spot.item, Shown)
        if any(isinstance(item, Joined) and item.recovered for item in spot.trace.items[: spot.place]):
            shown = spot.item
            spot.put(replace(shown, state={**shown.state, "clock": UNSEEN}))
            return Expected(spot.trace.client, {"wrong_state_at_end"}, {shown.offset})
    return None


def wrong_recent(history: History, random: Random) -> Expected | None:
    """``recent`` lacks one of the newest events."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined = spot.joined
        if len(joined.recent) > 1 and names.log(joined.epoch) is not None:
            spot.put(replace(joined, recent=joined.recent[:-1]))
            return Expected(spot.trace.client, {"wrong_recent"}, {joined.recent[0][0]})
    return None


def head_beyond_the_log(history: History, random: Random) -> Expected | None:
    """The server claims to have read more than there is."""
    head = max(history.room.starts.ends.values()) + 1_000
    for spot in spots(history, random, Joined):
        spot.put(replace(spot.joined, head=head, state={}, recent=()))
        return Expected(spot.trace.client, {"wrong_head"}, {head})
    return None


def head_ahead_of_time(history: History, random: Random) -> Expected | None:
    """The server claims to have read events that came after the client joined, and never sends them."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined = spot.joined
        log = names.log(joined.epoch)
        later = [each for each in entries_of(history, log) if each.order > joined.at_ms]
        if log is not None and later:
            head = random.choice(later).offset
            state = {key: entry.value for key, entry in history.room.state(log, head).items()}
            spot.put(replace(joined, head=head, state={} if joined.recovered else state, recent=()))
            return Expected(spot.trace.client, {"wrong_head"}, {head})
    return None
