"""Which clients are signed in as which player. Clients are opaque: whatever the layer above follows them by."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

C = TypeVar("C")
"""A client: hashable."""


class PlayerRegistry(Generic[C]):
    """The signed-in clients of each player. A player without clients is forgotten."""

    def __init__(self) -> None:
        self._clients: dict[str, set[C]] = {}

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def players(self) -> Collection[str]:
        """The players that have clients."""
        return self._clients.keys()

    def add(self, player: str, client: C) -> None:
        """A client is signed in as a player."""
        self._clients.setdefault(player, set()).add(client)

    def discard(self, player: str, client: C) -> None:
        """A client is gone."""
        clients = self._clients.get(player)
        if clients is not None:
            clients.discard(client)
            if not clients:
                del self._clients[player]

    def clients_of(self, player: str) -> AbstractSet[C]:
        """The clients that are signed in as a player."""
        return self._clients.get(player, frozenset())
