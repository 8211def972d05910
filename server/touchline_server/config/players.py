"""The table ``[players]``: what one player may do, on all edges together if they share a Redis."""

from pydantic import Field

from .tables import Table
from .values import COUNT_MAX


class PlayersSettings(Table):
    """What one player may do. How often it may act is in ``[actions]``."""

    connections_max: int = Field(default=20, ge=1, le=COUNT_MAX)
    """Connections of one player at a time, on all edges that share a Redis. A phone, a tablet, a television and a
    dozen tabs fit, and so do connections that were lost and are not noticed yet. Raise it if many programs share a
    token."""
