"""What a check finds. Pure."""

from typing import NamedTuple


class Breach(NamedTuple):
    """A promise that was not kept, to whom, and how it shows. ``kind`` is one word per promise."""

    kind: str
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.who}: {self.text}"
