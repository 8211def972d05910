"""The numbers of viewers that the servers of a run have told, beside those who were in the rooms and left no trace."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from touchline_loadtest.checks.occupancy import Count, Stay

COUNTS, STAYS = "viewers.jsonl", "probes.jsonl"


class Census:
    """``counts`` are what servers told; ``stays`` those of the rig's own clients."""

    def __init__(self) -> None:
        self.counts: list[Count] = []
        self.stays: Sequence[Stay] = ()

    def write(self, folder: Path) -> None:
        """Write all of it into the run folder, one item a line."""
        encoder = msgspec.json.Encoder()
        (folder / COUNTS).write_bytes(encoder.encode_lines(self.counts))
        (folder / STAYS).write_bytes(encoder.encode_lines(self.stays))
