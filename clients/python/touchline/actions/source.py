"""What reads actions, whichever log they are in: the interface to write a detector against.

`kafka.KafkaActions` is one implementation; a server that has its log in its own process brings another.
"""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Protocol, Self

from .action import Action


class ActionSource(Protocol):
    """Hands out the actions of players: each once, those of one player in the order of the log.

    Asking for the next action says that the one before it is processed. Only then can it be committed: what was in
    hand when the reader ended comes again, to it or to another reader. One task asks at a time.
    """

    @property
    def skipped(self) -> int:
        """Records that were left out because they do not hold an action."""

    @property
    def duplicates(self) -> int:
        """Actions that were left out because they had been handed out before."""

    @property
    def lags(self) -> Mapping[int, int]:
        """How many actions of each partition were not processed yet, as far as the source knows."""

    async def __aenter__(self) -> Self:
        """Begin to read. All that players do from now on is handed out."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is processed, and stop."""

    def __aiter__(self) -> AsyncIterator[Action]:
        """The actions one by one. Does not end by itself."""

    async def __anext__(self) -> Action:
        """Wait for the next action. Safe to cancel."""

    async def batch(self, actions_max: int = 1000, /) -> list[Action]:
        """Wait for the next actions: at least one, at most ``actions_max``, all of one partition. Safe to cancel."""

    def processed(self) -> None:
        """Report the actions in hand as processed, as asking for more does. Call it after the last ones."""
