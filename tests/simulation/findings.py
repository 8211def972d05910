"""What the checks of a run have found, and the run's trace."""

import hashlib
import struct
from collections import Counter

from .world import World

_HEAD = struct.Struct("!QHI").pack


class Findings(list[str]):
    """Broken promises, each with its virtual time. None is raised, so that a run shows all of them.

    ``counts`` says what the checks have seen, so that a run in which nothing happens is not taken for a good one.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._world = world

    @property
    def time_ms(self) -> float:
        """The time since the run began."""
        return self._world.now_s * 1000

    def add(self, text: str) -> None:
        self.append(f"{self._world.now_s:.6f} s: {text}")


class Trace:
    """A fingerprint of everything that reached a client, with its virtual time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, client: int, data: bytes) -> None:
        self._hash.update(_HEAD(self._world.now_us, client, len(data)))
        self._hash.update(data)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
