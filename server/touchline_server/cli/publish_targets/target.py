"""What every target can do, and which one the options ask for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from touchline_protocol.errors import OperatorError
from touchline_server.cli.options import control_plane
from touchline_server.core.log import Position
from touchline_server.new_events import NewEvent


class PublishTarget(Protocol):
    """Accepts events until it is closed."""

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        """Publish ``events`` to a room in order; returns their positions once they are durable.

        Raises:
            AppendFailed: not all of them are known to be in the log. Trying again can succeed.
            OperatorError: trying again cannot succeed.
        """

    async def close(self) -> None:
        """Close the connection."""


async def open_target(url: str | None, api_key: str | None, log: str | None, config: Path | None) -> PublishTarget:
    """Open the target that the options ask for. A configuration file says where its server is, and has its keys.

    Raises:
        OperatorError: the options ask for both, or the log cannot be reached.
    """
    if log is None:
        from .http import HttpTarget  # noqa: PLC0415 - see the package

        if url is None:
            url, known_key = control_plane(config)
            api_key = api_key or known_key
        return HttpTarget(url, api_key)
    if url is not None:
        raise OperatorError("--url and --log exclude each other: events go over HTTP or straight into the log")
    from touchline_server.config.loading import load_settings  # noqa: PLC0415 - see the package

    from .log import LogTarget  # noqa: PLC0415

    return await LogTarget.open(load_settings(config, {"log": log}))
