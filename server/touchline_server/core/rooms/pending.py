"""The events of a room that wait for the next flush, where the room moves to another partition among them."""

from collections.abc import Sequence

from .partition_window import PartitionWindow, RoomEvent


def after_last_of(window: PartitionWindow, pending: Sequence[RoomEvent]) -> list[RoomEvent]:
    """The pending events after the last one of ``window``."""
    of_window = (n for n, event in enumerate(pending) if event.window is window)
    return list(pending[max(of_window, default=-1) + 1 :])


def before_move(window: PartitionWindow, pending: Sequence[RoomEvent]) -> tuple[list[RoomEvent], list[RoomEvent]]:
    """The events before the first that moves a room in ``window`` to another partition, and the others."""
    here = next((n for n, event in enumerate(pending) if event.window is not window), len(pending))
    return list(pending[:here]), list(pending[here:])
