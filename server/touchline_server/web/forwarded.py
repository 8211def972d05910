"""Finds the client behind trusted proxies: ``X-Forwarded-For``, or ``Forwarded`` (RFC 7239).

Each proxy adds the other end of its connection on the right. The first address from the right that is not a trusted
proxy's is the client: it may have written everything to the left of it. So both headers are read from the right, and
quotes too: a quote that a client never closed must not swallow the entries of proxies.

Pure.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .addresses import Endpoint, Networks, parse_endpoint

HOPS_MAX = 16
"""Trusted proxies in a row. A client could write thousands of their addresses into a header."""

X_FORWARDED_FOR = "x-forwarded-for"
FORWARDED = "forwarded"
_QUOTED_PAIR = re.compile(r"\\(.)")


class Origin(NamedTuple):
    """The client of a request. ``bad`` is an entry that named nobody, where there was one.

    ``endpoint`` is None if no proxy named a client: the request comes from the proxy itself, or nobody knows.
    """

    endpoint: Endpoint | None
    bad: str | None = None


def client_of(values: Sequence[str], header: str, trusted: Networks) -> Origin:
    """The client in a request from a trusted proxy. ``values``: the lines of ``header``, in their order.

    That is the rightmost entry that is not a trusted proxy. If all are, it is the leftmost. An entry that is not an
    address ends the search: a trusted proxy wrote it, and did not know whom it stood for.
    """
    found: Endpoint | None = None
    for hop, (entry, address) in enumerate(_entries(values, header)):
        if hop == HOPS_MAX:
            return Origin(found, entry)
        try:
            endpoint = parse_endpoint(address)
        except ValueError:
            return Origin(found, entry)
        found = endpoint
        if endpoint.host not in trusted:
            break
    return Origin(found)


def _entries(values: Sequence[str], header: str) -> Iterator[tuple[str, str]]:
    """The entries of the header, from the right, and the address in each."""
    for value in reversed(values):
        if header == X_FORWARDED_FOR:
            entries: Iterator[str] = reversed(value.split(","))
        else:
            entries = _split_from_right(value, ",")
        for entry in entries:
            if entry := entry.strip():  # empty elements are allowed in lists (RFC 9110, section 5.6.1.2)
                yield entry, entry if header == X_FORWARDED_FOR else _for_of(entry)


def _for_of(element: str) -> str:
    """The parameter ``for`` of an element; empty if the element does not have just one."""
    values = []
    for pair in _split_from_right(element, ";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            values.append(value)
    if len(values) != 1:
        return ""
    (value,) = values
    if not (value.startswith('"') and value.endswith('"') and len(value) > 1):
        return value
    return _QUOTED_PAIR.sub(r"\1", value[1:-1])


def _is_escaped(text: str, at: int) -> bool:
    """Whether an odd number of backslashes precede a character, as in a quoted pair (RFC 9110, section 5.6.4)."""
    begin = at
    while begin and text[begin - 1] == "\\":
        begin -= 1
    return (at - begin) % 2 == 1


def _split_from_right(text: str, separator: str) -> Iterator[str]:
    """The parts of ``text`` from the right. Separators in quotes do not count, nor do quotes behind a backslash."""
    end, quoted = len(text), False
    for at in range(len(text) - 1, -1, -1):
        if text[at] == '"':
            quoted ^= not _is_escaped(text, at)
        elif text[at] == separator and not quoted:
            yield text[at + 1 : end]
            end = at
    yield text[:end]
