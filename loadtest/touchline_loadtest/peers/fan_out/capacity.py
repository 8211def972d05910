"""Finds the highest load that still passes: doubles it until one fails, then halves the gap. Pure."""

from collections.abc import Iterator


class Search:
    """Loads to try, one after the other. `report` says how the last one went.

    ``first`` is the first load; the search ends at ``most``, or ``refinements`` steps after the first failure. If even
    the first load fails, lower ones are tried, down to an eighth of it.
    """

    def __init__(self, first: float, most: float, refinements: int = 2) -> None:
        self.best: float | None = None
        self._failed: float | None = None
        self._first = min(first, most)
        self._most = most
        self._refinements = refinements

    def loads(self) -> Iterator[float]:
        """The loads; after each, `report` has to be called."""
        load = self._first
        while self._failed is None:
            yield load
            if self.best == self._most:
                return
            load = min(2 * load, self._most)
        while self.best is None and load > self._first / 8:
            load = self._failed / 2
            yield load
        for _ in range(self._refinements if self.best is not None else 0):
            assert self.best is not None  # noqa: S101 - the range would be empty
            yield (self.best + self._failed) / 2

    def report(self, load: float, *, passed: bool) -> None:
        """Say whether ``load`` passed."""
        if passed:
            self.best = max(load, self.best or 0)
        else:
            self._failed = min(load, self._failed or load)
