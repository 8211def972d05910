"""What reads actions, whatever log they are in: the interface that a detector is written against.

`kafka.KafkaActions` is one; a server that has its log in its own process brings another.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from .action import Action


class ActionSource(Protocol):
    """Hands out the actions of players: each once, those of one player in the order of the log.

    Asking for what comes next says that what came before is processed. Only then can it be committed, so what was in
    hand when the reader ended comes again, to it or to another reader. One task asks at a time.
    """

    @property
    def skipped(self) -> int:
        """Records that were passed over, since they are no actions."""

    @property
    def copies(self) -> int:
        """Actions that were left out, since they had been handed out before."""

    async def __aenter__(self) -> Self:
        """Begin to read. What players do from now on will be handed out."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is processed, and let go."""

    def __aiter__(self) -> AsyncIterator[Action]:
        """The actions one by one. Does not end by itself."""

    async def __anext__(self) -> Action:
        """Wait for the next action. Safe to cancel."""

    async def batch(self, actions_max: int = 1000) -> list[Action]:
        """Wait for the next actions: at least one, at most so many, all of one partition. Safe to cancel."""

    def processed(self) -> None:
        """What is in hand is processed, as if the next had been asked for. For the last ones before the end."""
