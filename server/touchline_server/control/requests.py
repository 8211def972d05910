"""Reads requests: the room in the path, the key in the header, the events in the body.

Rules: nothing is published unless the whole request is valid. A body beyond its limit is never held in memory.
"""

import asyncio
import hmac
from collections.abc import Collection, Sequence
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import ClientDisconnect, Request

from touchline_protocol.actions import is_player
from touchline_protocol.errors import BadRecord, BadRoom
from touchline_protocol.limits import ROOM_ID_BYTES_MAX
from touchline_protocol.rooms import split_room
from touchline_protocol.tracing.traceparent import TRACEPARENT, traceparent_of
from touchline_protocol.utf8 import NotUtf8, without_mark
from touchline_server.config.suggestions import unknown_feed
from touchline_server.new_events import NewEvent, new_event

from .bodies import BODY_BYTES_MAX, BODY_S_MAX, EVENTS_PER_REQUEST_MAX, Event, Kick, OneOrMore
from .refusals import (
    BAD_BODY,
    BAD_ROOM,
    BODY_TIMEOUT,
    INCOMPLETE,
    KEY_MISSING,
    KEY_WRONG,
    NOT_JSON_TYPE,
    RECORD_REFUSALS,
    TOO_LARGE,
    UNKNOWN_FEED,
)

T = TypeVar("T")

_DECODER = msgspec.json.Decoder(OneOrMore)
_SHAPE = 'the body must be {"data": …, "key"?: "…"} or {"events": [{"data": …, "key"?: "…"}, …]}'


def check_key(request: Request, keys: Sequence[str]) -> None:
    """Check that a request has one of the keys, if there are any.

    Raises:
        ApiError: 401 without a key; 403 with a wrong one.
    """
    if not keys:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise KEY_MISSING.error("this request needs a key: send the header Authorization: Bearer KEY")
    # Compare with every key, and in full: the time that takes tells nothing about any of them.
    sent = given.strip(" \t").encode("latin-1")  # the header's bytes as Starlette received them
    matches = [hmac.compare_digest(sent, key.encode()) for key in keys]
    if not any(matches):
        raise KEY_WRONG.error("the key is wrong, or does not allow this request")


def room_of(request: Request, raw: bytes, feeds: Collection[str]) -> str:
    """The room in a percent-encoded path. Its feed must be one of ``feeds``.

    A name that is a room's is kept as ``request.state.room``, for the log. Others could be anything, a token too.

    Raises:
        ApiError: 400 for an invalid room name, 404 for a feed that is not served.
    """
    try:
        room = unquote_to_bytes(raw).decode()
        feed, _ = split_room(room)
    except UnicodeDecodeError:
        raise BAD_ROOM.error("the room name in the path is not UTF-8") from None
    except BadRoom as error:
        raise BAD_ROOM.error(str(error)) from None
    request.state.room = room
    if feed not in feeds:
        raise UNKNOWN_FEED.error(unknown_feed(feed, feeds))
    return room


def traceparent_in(request: Request) -> str | None:
    """The ``traceparent`` that a request came with. Of several none is the right one (W3C Trace Context, 3.2)."""
    headers = request.headers.getlist(TRACEPARENT)
    return traceparent_of(headers[0]) if len(headers) == 1 else None


async def events_of(request: Request) -> list[NewEvent]:
    """The events in the body, all of them checked.

    Raises:
        ApiError: 400, 413 or 415. The message says what is wrong and with which event.
    """
    body = _decoded(await _json_body(request), _DECODER, f"{_SHAPE}: ")
    if body.events is None:
        if not body.data:
            raise BAD_BODY.error(_SHAPE)
        return [_checked(Event(body.data, body.key), "")]
    if body.data or body.key is not None or not body.events:
        raise BAD_BODY.error(_SHAPE)
    if len(body.events) > EVENTS_PER_REQUEST_MAX:
        raise TOO_LARGE.error(f"the request has {len(body.events)} events; the limit is {EVENTS_PER_REQUEST_MAX}")
    return [_checked(event, f"event {position}: ") for position, event in enumerate(body.events)]


async def body_of(request: Request, kind: type[T]) -> T:
    """The body, which is one object of a kind.

    Raises:
        ApiError: 400, 413 or 415.
    """
    return _decoded(await _json_body(request), msgspec.json.Decoder(kind), "")


async def kick_of(request: Request) -> Kick:
    """The kick in the body.

    Raises:
        ApiError: 400, 413 or 415.
    """
    kick = await body_of(request, Kick)
    if not is_player(kick.player):
        raise BAD_BODY.error(f"`player` has to be 1 to {ROOM_ID_BYTES_MAX} bytes of UTF-8, without control characters")
    return kick


async def _json_body(request: Request) -> bytes:
    # Only this type: pages of other sites cannot send it without permission (CORS), so a web page that somebody
    # visits cannot publish without a key to a server on their machine.
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise NOT_JSON_TYPE.error("send the body with the header Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise NOT_JSON_TYPE.error("send the body as it is, without a Content-Encoding")
    return await _read(request)


async def _read(request: Request) -> bytes:
    too_large = TOO_LARGE.error(f"the body is larger than {BODY_BYTES_MAX} bytes")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > BODY_BYTES_MAX):  # noqa: PLR2004
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise too_large
    except TimeoutError:
        raise BODY_TIMEOUT.error(f"the body did not arrive within {BODY_S_MAX} s") from None
    except ClientDisconnect:
        raise INCOMPLETE.error("the connection ended before the end of the body") from None
    return bytes(body)


def _decoded(body: bytes, decoder: msgspec.json.Decoder[T], shape: str) -> T:
    try:
        return decoder.decode(without_mark(body))
    except NotUtf8 as error:
        raise BAD_BODY.error(f"the body {error}") from None
    except msgspec.ValidationError as error:
        raise BAD_BODY.error(f"{shape}{error}") from None
    except RecursionError:
        raise BAD_BODY.error("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BAD_BODY.error(f"the body is not JSON: {error}") from None


def _checked(event: Event, place: str) -> NewEvent:
    try:
        return new_event(bytes(event.data), event.key)
    except BadRecord as error:
        raise RECORD_REFUSALS[error.reason].error(f"{place}{error}") from None
