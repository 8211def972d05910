"""Grants: who a client is, and what it may do, as its token says.

How a token is checked is for `touchline_server.auth` to know; a session is handed a `Verify`, and sees these shapes.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from touchline_protocol.codes import ErrorCode
from touchline_protocol.errors import PeerError

Refusal: TypeAlias = tuple[ErrorCode, str]
"""Why something is not done: a code, and a sentence for whoever sees it."""

PATTERNS_MAX = 100
"""Patterns in one list of a token. A token has a few kilobytes, and the patterns are tried in turn."""


class Patterns:
    """Room names with ``*`` for any characters, none too: ``match:*``, ``score:15946``. No pattern allows nothing.

    Names and beginnings, which nearly all patterns are, need no regular expression: to compile a hundred takes 5 ms.
    """

    __slots__ = ("_beginnings", "_matches", "_names", "texts")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self._names = frozenset(text for text in texts if "*" not in text)
        self._beginnings = tuple(text[:-1] for text in texts if text.find("*") == len(text) - 1 and text)
        others = [text for text in texts if 0 <= text.find("*") < len(text) - 1]
        self._matches = re.compile("|".join(map(_expression, others)), re.DOTALL).fullmatch if others else None

    def allow(self, room: str) -> bool:
        """Whether one of the patterns is of ``room``."""
        if room in self._names or room.startswith(self._beginnings):
            return True
        return self._matches is not None and self._matches(room) is not None

    def __repr__(self) -> str:
        return f"Patterns({self.texts!r})"


def _expression(pattern: str) -> str:
    """A regular expression for a pattern, that never looks at a place twice, whatever the pattern (as `fnmatch`'s)."""
    first, *rest = map(re.escape, pattern.split("*"))
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last


class Grant(NamedTuple):
    """What a token grants: it is ``player``'s until ``expires_ms`` (Unix milliseconds)."""

    player: str
    rooms: Patterns
    act: Patterns
    expires_ms: int


class TokenRefused(PeerError):
    """A token that is not taken. ``code`` is one of the ``token_…`` in `touchline_protocol.codes.ERRORS`."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


Verify: TypeAlias = Callable[[str, int], Grant]
"""Check a token, at a time in Unix milliseconds. Raises `TokenRefused`."""
