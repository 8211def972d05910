"""From which replica each partition is fetched, for a client that is in a rack (KIP-392).

A leader that is asked by such a client may name a better replica: one in the client's rack. That replica is believed
as far as it hands out records. All else that it says is only how far *it* is: a replica that is behind does not know
the offsets and the epochs that the leader has, so of those the leader is asked.

Pure: it is told answers and the time.
"""

from typing import NamedTuple

from .set_back import Place

KEPT_S = 300.0
"""How long a replica is used before the leader is asked again whether there is a better one: as long as Kafka's own
consumers do."""
PAUSE_S = 10.0
"""How long leaders are not asked for replicas after one has failed. They notice by themselves that a replica is gone,
but only after `broker.session.timeout.ms`, 9 s by default."""
NO_REPLICA = -1
"""What a leader answers that knows no better replica than itself."""


class _Choice(NamedTuple):
    node: int
    until_s: float


class ReadReplicas:
    """The replicas that leaders have named to a client in ``rack``; None fetches from leaders."""

    def __init__(self, rack: str | None) -> None:
        self._rack = rack or ""
        self._choices: dict[Place, _Choice] = {}
        self._paused_until_s = 0.0

    def node(self, place: Place, leader: int, now_s: float) -> int:
        """The broker to fetch a partition from."""
        choice = self._choices.get(place)
        if choice is None:
            return leader
        if now_s >= choice.until_s:
            del self._choices[place]
            return leader
        return choice.node

    def rack(self, now_s: float) -> str:
        """The rack to name in a fetch: empty if leaders are to hand out records themselves."""
        return self._rack if now_s >= self._paused_until_s else ""

    def choose(self, place: Place, node: int, now_s: float) -> None:
        """A leader has named a better replica."""
        self._choices[place] = _Choice(node, now_s + KEPT_S)

    def give_up(self, place: Place, now_s: float) -> None:
        """Fetch a partition from its leader: its replica does not serve it as the leader would."""
        if self._choices.pop(place, None) is not None:
            self._paused_until_s = now_s + PAUSE_S

    def give_up_node(self, node: int, now_s: float) -> None:
        """Fetch from leaders all that is fetched from this broker as a replica: it does not answer."""
        for place in [place for place, choice in self._choices.items() if choice.node == node]:
            self.give_up(place, now_s)
