"""Grants: who a client is and what it may do, according to its token.

Only `touchline_server.auth` knows how to check a token. The core receives a `Verify`, and sees only the types here.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from touchline_protocol.codes import ErrorCode
from touchline_protocol.errors import PeerError
from touchline_server.core.clocks import LoopMs

Refusal: TypeAlias = tuple[ErrorCode, str]
"""Why a request is refused: a code, and a sentence for a person."""

PATTERNS_MAX = 100
"""Patterns in one list of a token. A token could hold more, and `Patterns.allow` may have to try each of them."""


class Patterns:
    """Patterns of room names, such as ``score:15946`` or ``match:*``. ``*`` matches any characters, or none.

    An empty list allows nothing. Nearly all patterns are whole names or prefixes, which are matched without a regular
    expression: compiling a hundred of them takes 5 ms.
    """

    __slots__ = ("_beginnings", "_matches", "_names", "texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self._names = frozenset(text for text in texts if "*" not in text)
        self._beginnings = tuple(text[:-1] for text in texts if text.find("*") == len(text) - 1 and text)
        others = [text for text in texts if 0 <= text.find("*") < len(text) - 1]
        self._matches = re.compile("|".join(map(_expression, others)), re.DOTALL).fullmatch if others else None

    def allow(self, room: str) -> bool:
        """Whether one of the patterns matches ``room``."""
        if room in self._names or room.startswith(self._beginnings):
            return True
        return self._matches is not None and self._matches(room) is not None

    def __repr__(self) -> str:
        return f"Patterns({self.texts!r})"


def _expression(pattern: str) -> str:
    """The regular expression for a pattern. Like `fnmatch`'s, it never backtracks, so no pattern can make it slow."""
    first, *rest = map(re.escape, pattern.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last


NOWHERE = Patterns(())
"""No room at all."""


class Grant(NamedTuple):
    """What a token grants to ``player``: the rooms to watch, to act in, and to see the members of.

    ``expires_ms`` is the token's end in Unix milliseconds. ``ends_ms`` is the same moment by the clock that is never
    set, as worked out when the token was presented.
    """

    player: str
    rooms: Patterns
    act: Patterns
    expires_ms: int
    ends_ms: LoopMs = LoopMs(0)
    members: Patterns = NOWHERE


class TokenRefused(PeerError):
    """A token was refused. ``code`` is one of the ``token_…`` codes in `touchline_protocol.codes.ERRORS`."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


Verify: TypeAlias = Callable[[str, int], Grant]
"""Checks a token, given the time in Unix milliseconds. Raises `TokenRefused`."""
