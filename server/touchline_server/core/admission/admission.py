"""Which connections an edge takes: how many from one address, and how many per second.

A connection that is over a limit is kept for the moment that it takes to refuse it by an answer, so a client learns
when to come back. Only `REFUSED_MAX` of them are kept at once, and only `REFUSED_PER_ADDRESS_MAX` from one address, so
that a flood cannot keep others from their answers; further ones are cut.

Rules:

1. An address is whatever string the shell counts by. None counts for nobody: a proxy that speaks for itself.
2. A connection beyond the limits of its address does not count towards the limits for all.
3. Nothing is kept for a connection unless there is a limit per address, or it is being refused.
"""

from collections import OrderedDict
from typing import Generic

from touchline_server.core.clocks import LoopMs
from touchline_server.core.effects import Owner

from .limits import AdmissionLimits, Excess, Limit

REFUSED_MAX = 64
"""Connections over a limit that are kept until they are answered: with ``connections_max``, the process always has
files left for its log and its control plane."""

REFUSED_PER_ADDRESS_MAX = 8
"""How many of these may be from one address."""


class _Address:
    """What is known of one address. ``full_ms``: see `Rate`."""

    __slots__ = ("connections", "full_ms", "refused")

    def __init__(self) -> None:
        self.connections = 0
        self.refused = 0
        self.full_ms = 0.0

    def is_forgettable(self, now_ms: LoopMs) -> bool:
        return not self.connections and not self.refused and self.full_ms <= now_ms


class Admission(Generic[Owner]):
    """The connections of one edge, by address."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self.limits = limits
        self._full_ms = 0.0
        self._addresses: dict[str, _Address] = {}
        self._address_of: dict[Owner, str] = {}
        self._refused: dict[Owner, Excess] = {}
        self._left: OrderedDict[str, None] = OrderedDict()  # addresses without connections, the longest first

    @property
    def known_addresses(self) -> int:
        """How many addresses something is kept for."""
        return len(self._addresses)

    def admit(self, owner: Owner, address: str | None, now_ms: LoopMs) -> bool:
        """A connection's address is known: count it. Returns whether to keep it, if only to answer; see `excess`."""
        known = None
        if address is not None and self.limits.are_per_address:
            known = self._addresses.get(address)
            if known is None:
                known = self._addresses[address] = _Address()
            self._address_of[owner] = address
        excess = self._over(address, known, now_ms)
        if excess is None:
            if known is not None:
                known.connections += 1
            return True
        return self._refuse(owner, known, excess)

    def count(self, owner: Owner, address: str | None) -> None:
        """Count a connection that was admitted before there was a limit per address."""
        if address is not None and owner not in self._address_of and owner not in self._refused:
            self._address_of[owner] = address
            self._addresses.setdefault(address, _Address()).connections += 1

    def excess(self, owner: Owner) -> Excess | None:
        """Which limit a connection was over; None if it was admitted."""
        return self._refused.get(owner)

    def lost(self, owner: Owner, now_ms: LoopMs) -> None:
        """A connection is gone."""
        refused = self._refused.pop(owner, None)
        address = self._address_of.pop(owner, None)
        if address is None:
            return
        known = self._addresses[address]
        if refused is None:
            known.connections -= 1
        else:
            known.refused -= 1
        if known.is_forgettable(now_ms):
            del self._addresses[address]
        elif not known.connections:
            self._left[address] = None

    def tick(self, now_ms: LoopMs) -> None:
        """Forget addresses whose rate is as good as new. Call this periodically."""
        while self._left:
            address = next(iter(self._left))
            known = self._addresses.get(address)
            if known is not None and not known.connections and not known.is_forgettable(now_ms):
                return
            del self._left[address]
            if known is not None and known.is_forgettable(now_ms):
                del self._addresses[address]

    def _over(self, address: str | None, known: _Address | None, now_ms: LoopMs) -> Excess | None:
        limits = self.limits
        if known is not None:
            if 0 < limits.connections_per_address_max <= known.connections:
                return Excess(Limit.ADDRESS_CONNECTIONS, address)
            if limits.connects_per_address is not None:
                known.full_ms, wait_ms = limits.connects_per_address.take(known.full_ms, 1, now_ms)
                if wait_ms:
                    return Excess(Limit.ADDRESS_CONNECTS, address, wait_ms)
        if limits.connects is not None:
            self._full_ms, wait_ms = limits.connects.take(self._full_ms, 1, now_ms)
            if wait_ms:
                return Excess(Limit.CONNECTS, address, wait_ms)
        return None

    def _refuse(self, owner: Owner, known: _Address | None, excess: Excess) -> bool:
        self._refused[owner] = excess
        if known is not None:
            known.refused += 1
            if known.refused > REFUSED_PER_ADDRESS_MAX:
                return False
        return len(self._refused) <= REFUSED_MAX
