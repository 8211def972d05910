"""Explains the ends of connections, and refused rooms, by what happened. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from touchline_loadtest.checks.actions import Verdict
from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.closes import CODES, DELAYS, REFUSALS, Cause, CauseKind, Close

from .excuses import PATIENCE_MS

BEFORE_MS = 1_000
"""How long before its cause a close may be noted: the driver notes a fault when it has been carried out."""

AFTER_MS = 15_000
"""How long after its cause a close may come: edges stop within this time, and clients notice that nothing arrives."""

Code = TypeVar("Code", int, str)


class Causes:
    """Everything that happened in a run that may end connections, and the ``closes`` themselves.

    ``verdicts`` are causes too.

    A cause with a client or a player explains only what happened to that one. A close whose client does not know its
    edge may be explained by what happened to any.
    """

    def __init__(self, causes: Iterable[Cause], verdicts: Iterable[Verdict] = (), closes: Iterable[Close] = ()) -> None:
        causes = list(causes)
        self._closed_ms: dict[str, list[float]] = {}
        for close in sorted(closes, key=lambda each: each.at_ms):
            for name in {close.client, close.player or close.client}:
                self._closed_ms.setdefault(name, []).append(close.at_ms)
        self._of_closes = _Table([*causes, *_bans(verdicts)], CODES)
        self._of_refusals = _Table(causes, REFUSALS)
        self._delays = [cause for cause in causes if cause.kind in DELAYS]

    def check(self, close: Close) -> Breach | None:
        """Whether nothing explains this close."""
        if self._of_closes.explains(close.code, close.at_ms, close.client, close.player, close.edge):
            return None
        text = f"closed with {close.code}"
        text += f" by {close.edge}" if close.edge else ""
        text += f" after the error {close.error}" if close.error else ""
        return Breach("unexplained_close", close.client, text, at_ms=close.at_ms)

    def explains_refusal(self, client: str, code: str, at_ms: float) -> bool:
        """Whether something explains that a client was refused a room with this code."""
        return self._of_refusals.explains(code, at_ms, client, "", "")

    def explains_delay(self, client: str, since_ms: float, at_ms: float) -> bool:
        """Whether something explains that a client did not get what there was at ``since_ms`` by ``at_ms``.

        Once a cause is over, what it held up has to arrive like anything else.
        """
        return any(
            cause.client in ("", client)
            and cause.at_ms <= at_ms
            and since_ms <= (end_ms := _end_ms(cause) + AFTER_MS)
            and at_ms <= end_ms + PATIENCE_MS
            for cause in self._delays
        )

    def connected_until(self, client: str, since_ms: float) -> float:
        """When a connection of a client, or of a player, ended after ``since_ms``; infinity if none did."""
        closed_ms = self._closed_ms.get(client, ())
        index = bisect_left(closed_ms, since_ms)
        return closed_ms[index] if index < len(closed_ms) else float("inf")


class _Table(Generic[Code]):
    """Causes by the codes that they explain, and by whom they concern."""

    def __init__(self, causes: Iterable[Cause], codes: Mapping[CauseKind, frozenset[Code]]) -> None:
        self._causes: dict[tuple[Code, str, str], list[Cause]] = {}
        for cause in causes:
            for code in codes.get(cause.kind, ()):
                self._causes.setdefault((code, cause.client, cause.player), []).append(cause)

    def explains(self, code: Code, at_ms: float, client: str, player: str, edge: str) -> bool:
        whom = {(client, player), (client, ""), ("", player), ("", "")}
        return any(
            _is_near(cause, at_ms) and (cause.edge in ("", edge) or not edge)
            for each, other in whom
            for cause in self._causes.get((code, each, other), ())
        )


def _is_near(cause: Cause, at_ms: float) -> bool:
    return cause.at_ms - BEFORE_MS <= at_ms <= _end_ms(cause) + AFTER_MS


def _end_ms(cause: Cause) -> float:
    return cause.at_ms if cause.end_ms is None else cause.end_ms


def _bans(verdicts: Iterable[Verdict]) -> Iterator[Cause]:
    """A ban closes the player's connections, and each new one, until it ends or another verdict follows."""
    in_force: dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda each: each.at_ms):
        before = in_force.pop(verdict.player, None)
        if before is not None:
            yield _ban(before, verdict.at_ms)
        if verdict.kind == "ban":
            in_force[verdict.player] = verdict
    for verdict in in_force.values():
        yield _ban(verdict, float("inf"))


def _ban(verdict: Verdict, end_ms: float) -> Cause:
    until_ms = float("inf") if verdict.until_ms is None else verdict.until_ms
    return Cause("banned", verdict.at_ms, min(end_ms, until_ms), player=verdict.player)
