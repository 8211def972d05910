"""Suggestions for a name that does not exist: one that is spelt almost like it, or the new name of an option."""

from collections.abc import Callable, Collection, Mapping
from difflib import SequenceMatcher

from touchline_cli.suggestions import did_you_mean

RENAMED: Mapping[str, str] = {
    "edge": "edge_name",
    "open": "publish_without_key",
    "handshake_ms": "handshake_timeout_s",
    "heartbeat_ms": "heartbeat_s",
    "errors_max": "rates.refusals_burst",
    "lag_seconds_max": "lag_s_max",
    "drain_ms": "drain_s",
    "window_seconds": "window_s",
    "room_idle_seconds": "room_idle_s",
    "replays_max": "replay_concurrency",
    "kafka.epoch_check_ms": "kafka.epoch_check_s",
    "sqlite.retention_hours": "sqlite.retention_s",
    "auth.secret": "auth.hs256_secret",
    "auth.jwks_refresh_seconds": "auth.jwks_refresh_s",
    "auth.leeway_seconds": "auth.leeway_s",
    "actions.unacked_max": "actions.window",
    "actions.retry_ms": "actions.retry_s",
}
"""Options by the names that they had before 0.1.0. CHANGELOG.md has the same table."""

NEARNESS_MIN = 0.58
"""How much of two names has to be equal for one to be suggested for the other, from 0 to 1. `token_secret` and
`hs256_secret` are that near."""

_OTHER_UNITS = ("_ms", "_seconds", "_hours")


def renamed(option: str, shown: Callable[[str], str]) -> str:
    """The new name of an option, to be appended to an error; empty if it was not renamed."""
    new = RENAMED.get(option)
    if new is None:
        return ""
    return f"; it is now {shown(new)}" + (", in seconds" if option.endswith(_OTHER_UNITS) else "")


def nearest_option(option: str, siblings: Collection[str], others: Collection[str], shown: Callable[[str], str]) -> str:
    """The option that is spelt most like ``option``, to be appended to an error; empty if none is.

    Only the names behind the tables count, since options of a table share its name. ``siblings`` are the options of the
    same table; of ``others`` one has to be nearer, such as for an option that stands in the wrong table.
    """
    best, nearness = "", NEARNESS_MIN
    for known in (*siblings, *others):
        is_same = known.replace(".", "_") == option  # a variable with one underscore, where a table takes two
        ratio = 1.0 if is_same else SequenceMatcher(a=_name(known), b=_name(option)).ratio()
        if ratio > nearness:
            best, nearness = known, ratio
    return f"; did you mean {shown(best)}?" if best else ""


def _name(option: str) -> str:
    return option.rpartition(".")[2]


def unknown_feed(feed: str, feeds: Collection[str]) -> str:
    """The error for a feed that is not among ``feeds``."""
    return f"there is no feed {feed!r} here; the feeds are {', '.join(sorted(feeds))}{did_you_mean(feed, feeds)}"
