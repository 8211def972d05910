"""Reading what lies in Redis, which anybody may have written: another version of Touchline, a script, a person.

Rule: contents that cannot be read are never an error of this process. They become a `StoreRefused` that names the key
and what to do, or count as missing where somebody builds them again.
"""

import contextlib
import struct
from collections.abc import Iterator

import msgspec

from touchline_protocol.errors import StoreRefused

UNREADABLE = (
    ValueError,  # a `UnicodeDecodeError` too
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    struct.error,
    msgspec.MsgspecError,
)
"""What decoders raise for contents that we did not write."""


@contextlib.contextmanager
def reading(key: str, cure: str) -> Iterator[None]:
    """Decode what was read from ``key`` within this block. ``cure`` says what an operator has to do.

    Raises:
        StoreRefused: it cannot be decoded.
    """
    try:
        yield
    except UNREADABLE as error:
        what = str(error) or type(error).__name__
        raise StoreRefused(f"the key {key} in Redis holds what Touchline did not write ({what}): {cure}") from error
