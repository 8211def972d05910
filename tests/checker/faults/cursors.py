"""Cursors that are not honoured, or honoured wrongly, and clients that are left behind."""

from random import Random

from msgspec.structs import replace

from checker.histories import ROOM, History
from checker.spots import Expected, entries_of, epochs, spots
from touchline_loadtest.checks.comparison.excuses import PATIENCE_MS
from touchline_loadtest.checks.comparison.waits import LONG_MS
from touchline_loadtest.checks.trace import Asked, Item, Joined, Left, Received, Settled, Trace


def cursor_lost(history: History, random: Random) -> Expected | None:
    """The client has to start over, although the log still has everything behind its cursor."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined = spot.joined
        log = names.log(joined.epoch)
        if not joined.recovered or joined.after is None or log is None or history.room.has_moved(log):
            continue
        if names.log(joined.after[0]) != log or history.room.starts.by(log, joined.at_ms) > joined.after[1] + 1:
            continue
        state = {key: entry.value for key, entry in history.room.state(log, joined.head).items()}
        spot.put(replace(joined, recovered=False, state=state))
        return Expected(spot.trace.client, {"lost_cursor"}, {joined.after[1]})
    return None


def live_client_restarted(history: History, random: Random) -> Expected | None:
    """A client that follows the room has to start over for no reason."""
    names = epochs(history)
    for spot in spots(history, random, Received):
        event = spot.received
        log = names.log(event.epoch)
        if spot.join is None or spot.join.recovered or not spot.join.complete:
            continue  # it may get the keys that were missing
        if log is None or history.room.has_moved(log) or history.room.starts.at_end(log) > event.offset + 1:
            continue
        state = {key: entry.value for key, entry in history.room.state(log, event.offset).items()}
        spot.put(event, Joined(event.epoch, event.offset, recovered=False, state=state, live=True))
        return Expected(spot.trace.client, {"lost_cursor"}, {event.offset})
    return None


def other_log_honoured(history: History, random: Random) -> Expected | None:
    """A cursor of another log is honoured."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined, cursor = spot.joined, spot.cursor
        if joined.recovered or cursor is None:
            continue
        before, after = names.log(cursor[0]), names.log(joined.epoch)
        if before is not None and after is not None and before != after:
            spot.put(replace(joined, recovered=True, state={}, recent=(), after=cursor))
            return Expected(spot.trace.client, {"recovered_wrongly"}, {cursor[1]})
    return None


def deleted_events_honoured(history: History, random: Random) -> Expected | None:
    """A cursor is honoured, although events behind it have been deleted, and they are missing."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined, cursor = spot.joined, spot.cursor
        if joined.recovered or cursor is None or joined.after is None:
            continue
        log = names.log(cursor[0])
        if log is None or log != names.log(joined.epoch) or not (spot.events_later() or spot.settles()):
            continue
        missed = [each.offset for each in entries_of(history, log) if cursor[1] < each.offset <= joined.head]
        if missed and missed[0] < history.room.starts.at_end(log):
            spot.put(replace(joined, recovered=True, state={}, recent=(), after=cursor))
            kinds = {"recovered_wrongly", "missing_at_end"}
            return Expected(spot.trace.client, kinds, {missed[0]})
    return None


def resumed_elsewhere(history: History, random: Random) -> Expected | None:
    """The client is brought back to another place than the one that it asked for."""
    for spot in spots(history, random, Joined):
        joined = spot.joined
        if joined.recovered and joined.after is not None:
            spot.put(replace(joined, after=(joined.after[0], joined.after[1] - 1)))
            return Expected(spot.trace.client, {"resumed_elsewhere"}, {joined.after[1]})
    return None


def move_unnoticed(history: History, random: Random) -> Expected | None:
    """The room goes on in another log, and the client does not start over."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined, cursor, events = spot.joined, spot.cursor, spot.events_later()
        if joined.recovered or not joined.live or cursor is None or not events:
            continue
        before, after = names.log(cursor[0]), names.log(events[0].epoch)
        if before is not None and after != before and events[-1].offset > cursor[1]:
            spot.put()
            kinds = {"wrong_epoch", "doubled", "reordered"}
            return Expected(spot.trace.client, kinds, {event.offset for event in events})
    return None


def never_answered(history: History, random: Random) -> Expected | None:
    """The server never answers a client that waits to the end."""
    trace = Trace("a client without an answer", ROOM)
    trace.add(Settled())
    history.traces.append(trace)
    return Expected(trace.client, {"never_joined"}, set())


def left_behind(history: History, random: Random) -> Expected | None:
    """The client stays in a log that the room has left."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined, cursor = spot.joined, spot.cursor
        if joined.live and cursor is not None and spot.settles() and names.log(cursor[0]) is not None:
            spot.trace.items[spot.place :] = [Settled()]
            if names.log(cursor[0]) == epochs(history).log(cursor[0]) != history.room.home:
                return Expected(spot.trace.client, {"left_behind"}, {cursor[1]})
            return None
    return None


def replaced_log_honoured(history: History, random: Random) -> Expected | None:
    """A cursor is honoured although the room is in another log, and nothing more arrives."""
    names = epochs(history)
    for spot in spots(history, random, Joined):
        joined, cursor = spot.joined, spot.cursor
        if joined.recovered or joined.live or cursor is None:
            continue
        before = names.log(cursor[0])
        if before is None or history.room.replaced_ms(before) >= joined.at_ms - PATIENCE_MS:
            continue
        at_ms = random.choice((joined.at_ms, 0.0))
        kinds = {"recovered_wrongly"} if at_ms else {"left_behind"}
        resumed = Joined("an epoch without events", cursor[1], recovered=True, after=cursor, at_ms=at_ms)
        spot.trace.items[spot.place :] = [resumed, Settled() if not at_ms or random.random() < 0.5 else Left(at_ms + 1)]
        if names.log(cursor[0]) != epochs(history).log(cursor[0]):
            return None
        return Expected(spot.trace.client, kinds, {cursor[1]})
    return None


def answer_that_never_comes(history: History, random: Random) -> Expected | None:
    """A client asks for the room, waits for the answer, and leaves."""
    for spot in spots(history, random, Asked):
        assert isinstance(spot.item, Asked)
        at_ms = spot.item.at_ms
        ends: tuple[Item, ...] = (Settled(), Left(at_ms + PATIENCE_MS), Asked(at_ms + LONG_MS))
        spot.trace.items[spot.place :] = [spot.item, random.choice(ends)]
        return Expected(spot.trace.client, {"never_joined"}, set())
    return None


def resumed_in_vain(history: History, random: Random) -> Expected | None:
    """A client comes back again and again, and never gets what came next."""
    names = epochs(history)
    for spot in spots(history, random, Received):
        event = spot.received
        log = names.log(event.epoch)
        behind = [each for each in entries_of(history, log) if each.offset > event.offset]
        if not behind:
            continue
        begin_ms = behind[0].order + 1
        times = [begin_ms + 10_000 * index for index in range(8)]
        cursor = (event.epoch, event.offset)
        again = [Joined(*cursor, recovered=True, after=cursor, at_ms=each) for each in times]
        spot.trace.items[spot.place + 1 :] = [*again, Left(times[-1] + 1)]
        if names.log(event.epoch) == epochs(history).log(event.epoch):
            return Expected(spot.trace.client, {"stalled", "recovered_wrongly"}, {behind[0].offset})
        return None
    return None
