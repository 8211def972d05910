"""Reads requests: the room in the path, the key in the header, the events in the body.

Rules: nothing is published unless the whole request is valid. A body beyond its limit is never held in memory.
"""

import hmac
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from starlette.requests import ClientDisconnect, Request

from touchline_protocol import codes
from touchline_protocol.errors import BadRecord, BadRoom
from touchline_protocol.rooms import split_room
from touchline_protocol.utf8 import NotUtf8, without_mark
from touchline_server.new_events import NewEvent, new_event

from .answers import ApiError

EVENTS_PER_REQUEST_MAX = 1_000
"""A thousand events take a log some hundred milliseconds. With more, repeating a failed request would cost too much."""

BODY_BYTES_MAX = 4 << 20
"""The largest body. A thousand ordinary events are 0.6 MB; the largest event is 256 KiB."""


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    data: msgspec.Raw
    key: str | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """One event or several. An empty ``data`` means that there is none: JSON is never empty."""

    data: msgspec.Raw = msgspec.Raw()
    key: str | None = None
    events: list[_Event] | None = None


_DECODER = msgspec.json.Decoder(_Body)
_SHAPE = 'the body must be {"data": …, "key"?: "…"} or {"events": [{"data": …, "key"?: "…"}, …]}'


def check_key(request: Request, api_keys: Sequence[str]) -> None:
    """Check that a request has one of the keys. If there are none, it only must not come from a page on the web.

    Raises:
        ApiError: 401 without a key; 403 with a wrong one, or if no key is needed, from a page of a named host.
    """
    if not api_keys:
        _check_origin(request.headers.get("origin"))
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise ApiError(
            401,
            "key_missing",
            "publishing to this server needs a key: send the header Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )
    # Compare with every key, and in full: the time that takes tells nothing about any of them.
    sent = given.strip(" \t").encode("latin-1")  # the header's bytes as Starlette received them
    matches = [hmac.compare_digest(sent, key.encode()) for key in api_keys]
    if not any(matches):
        raise ApiError(403, "key_wrong", "the key is not one of this server's api_keys")


def _check_origin(origin: str | None) -> None:
    """If no key is needed, refuse pages from the web.

    A page can reach this machine under a host name of its own that resolves to it (DNS rebinding). Browsers send that
    name in ``Origin``. An IP address, or localhost, can only be a page of this machine or of its network.
    """
    if origin is None:
        return
    try:
        host = urlsplit(origin).hostname or ""
        if host != "localhost":
            ip_address(host)
    except ValueError:
        raise ApiError(403, "origin_refused", f"pages of {origin} must not publish without a key") from None


def room_of(raw: bytes, feeds: Collection[str]) -> str:
    """The room in a percent-encoded path. Its feed must be one of ``feeds``.

    Raises:
        ApiError: 400 for an invalid room name, 404 for a feed that is not served.
    """
    try:
        room = unquote_to_bytes(raw).decode()
        feed, _ = split_room(room)
    except UnicodeDecodeError:
        raise ApiError(400, codes.BAD_ROOM.code, "the room name in the path is not UTF-8") from None
    except BadRoom as error:
        raise ApiError(400, codes.BAD_ROOM.code, str(error)) from None
    if feed not in feeds:
        known = ", ".join(sorted(feeds))
        raise ApiError(404, codes.UNKNOWN_FEED.code, f"there is no feed {feed!r} here; the feeds are {known}")
    return room


async def events_of(request: Request) -> list[NewEvent]:
    """The events in the body, all of them checked.

    Raises:
        ApiError: 400, 413 or 415. The message says what is wrong and with which event.
    """
    # Only this type: pages of other sites cannot send it without permission (CORS), so a web page that somebody
    # visits cannot publish without a key to a server on their machine.
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ApiError(415, "not_json_type", "send the body with the header Content-Type: application/json")
    body = _decoded(await _read(request))
    if body.events is None:
        if not body.data:
            raise ApiError(400, "bad_body", _SHAPE)
        return [_checked(_Event(body.data, body.key), "")]
    if body.data or body.key is not None or not body.events:
        raise ApiError(400, "bad_body", _SHAPE)
    if len(body.events) > EVENTS_PER_REQUEST_MAX:
        raise ApiError(
            413, "too_large", f"the request has {len(body.events)} events; the limit is {EVENTS_PER_REQUEST_MAX}"
        )
    return [_checked(event, f"event {position}: ") for position, event in enumerate(body.events)]


async def _read(request: Request) -> bytes:
    too_large = ApiError(413, "too_large", f"the body is larger than {BODY_BYTES_MAX} bytes")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > BODY_BYTES_MAX):  # noqa: PLR2004
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise too_large
    except ClientDisconnect:
        raise ApiError(400, "incomplete", "the connection ended before the end of the body") from None
    return bytes(body)


def _decoded(body: bytes) -> _Body:
    try:
        return _DECODER.decode(without_mark(body))
    except NotUtf8 as error:
        raise ApiError(400, "bad_body", f"the body {error}") from None
    except msgspec.ValidationError as error:
        raise ApiError(400, "bad_body", f"{_SHAPE}: {error}") from None
    except RecursionError:
        raise ApiError(400, "bad_body", "the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_body", f"the body is not JSON: {error}") from None


def _checked(event: _Event, place: str) -> NewEvent:
    try:
        return new_event(bytes(event.data), event.key)
    except BadRecord as error:
        status = 413 if error.reason == "too_large" else 400
        raise ApiError(status, error.reason, f"{place}{error}") from None
