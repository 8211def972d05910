"""The table ``[presence]``: how many clients and which players are in a room, and records about it for back ends."""

from pydantic import Field

from .tables import Table
from .values import Seconds, Topic, Wait


class PresenceSettings(Table):
    """Occupancy and members. Edges of one fleet have the same ``members_max`` and ``room_state_s``."""

    interval_s: Wait = Field(default=1.0, ge=0.1, le=5.0)
    """How often a worker reports its rooms, and learns about the fleet's: two round trips to Redis. A change is seen on
    all workers after two intervals at most."""
    members_max: int = Field(default=200, ge=1, le=1000)
    """The largest room whose members are listed. The list travels in one message (at most 128 bytes a player), and each
    join and leave goes to everybody who asked for it."""
    grace_s: Wait = Field(default=5.0, le=60.0)
    """How long a player whose connection was lost is still listed. One on a phone who comes back, to any edge, is not
    seen leaving and joining. A player who unsubscribes leaves at once."""
    records: bool = False
    """Write to ``topic`` which rooms are occupied and which players are in them, for back ends."""
    topic: Topic = "touchline-presence"
    room_state_s: Seconds = Field(default=300.0, ge=10.0)
    """With ``records``, each occupied room has a record of its whole state this often, so that a reader who missed any
    other record is right again. A room without a record for twice this time is empty."""
    outbox_max: int = Field(default=100_000, ge=1000, le=10_000_000)
    """Records that wait while Kafka is away, about 200 bytes each in Redis. Beyond it the oldest are dropped, and each
    room concerned gets a record of its whole state once Kafka is back."""
