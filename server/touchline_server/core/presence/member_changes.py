"""Says what has changed in a room's members between two answers."""

from .port import MemberChanges, Members, TooMany


def member_changes(before: frozenset[str] | TooMany | None, now: frozenset[str] | TooMany) -> Members:
    """What to say about a room that has ``now``. ``before`` is what it had in the answer before, None if that did not
    name it."""
    if isinstance(before, frozenset) and isinstance(now, frozenset):
        return MemberChanges(joined=now - before, left=before - now)
    return now
