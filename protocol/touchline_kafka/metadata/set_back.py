"""Whether a cluster was set back: restored from older copies of its brokers' folders.

The leader epochs of a cluster never go back, except if the cluster itself does. Then its brokers refuse every request
that names a newer epoch, for ever. A broker that is cut off from the others, or has just started, is behind as well,
but it is one of several, or it catches up. So the cluster counts as set back once most of its brokers, the leader that
they name among them, have named older epochs than the newest one for `SET_BACK_S`, and none of them names that.

Pure: it is given answers and the time, and asks nobody.
"""

from collections.abc import Collection
from typing import TypeAlias

SET_BACK_S = 10.0
"""How long a broker must have named an older epoch to be believed. One that is only behind catches up with the
controllers within a second; one whose controllers hold an election, within a few."""

Place: TypeAlias = tuple[bytes, int]
"""A topic's id and a partition."""


class Lags:
    """How long each broker has been naming an older leader epoch of a partition than the newest one, or none."""

    def __init__(self) -> None:
        self._behind: dict[Place, dict[int, tuple[float, float]]] = {}
        """By broker, the times of its first and of its newest such answer."""

    def answered(self, place: Place, node: int, is_behind: bool, now_s: float) -> None:
        """A broker has answered at ``now_s``, of any clock that does not go back."""
        behind = self._behind.setdefault(place, {})
        if is_behind:
            behind[node] = (behind.get(node, (now_s, now_s))[0], now_s)
        else:
            behind.pop(node, None)

    def forget(self, place: Place) -> None:
        """The newest epoch of a partition has changed."""
        self._behind.pop(place, None)

    def long_behind(self, place: Place) -> Collection[int]:
        """The brokers that were behind in all their answers of the last `SET_BACK_S`, or longer."""
        times = self._behind.get(place, {})
        return [node for node, (first_s, newest_s) in times.items() if newest_s - first_s >= SET_BACK_S]
