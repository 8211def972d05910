"""Action sessions that went on at another edge, after a connection was lost or an edge drained. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from .actions import Acted
from .closes import Opening


def sessions_that_moved(acted: Iterable[Acted], openings: Iterable[Opening]) -> int:
    """The number of sessions in which actions were acknowledged that a player had sent at different edges."""
    opened: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for opening in openings:
        opened[opening.client].append((opening.at_ms, opening.edge))
    for places in opened.values():
        places.sort()
    edges: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for action in acted:
        places = opened.get(action.player, [])
        index = bisect_right(places, (action.at_ms, "\uffff")) - 1
        if not action.code and action.session and index >= 0:
            edges[action.player, action.session].add(places[index][1])
    return sum(len(visited) > 1 for visited in edges.values())
