"""Hints for names that nobody knows, to be appended to an error."""

from collections.abc import Callable, Collection
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str], shown: Callable[[str], str] = repr) -> str:
    """The known name that is most like ``name``; empty if none is."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {shown(close[0])}?" if close else ""


def did_you_mean_or_all(name: str, known: Collection[str]) -> str:
    """The known name that is most like ``name``; all of them if none is."""
    return did_you_mean(name, known, str) or f"; there are {', '.join(known)}"
