"""JSON Web Key Sets (RFC 7517 section 5): where a set comes from, and which of its keys can be used.

A set comes from a file or a URL. A URL must be https, or http on this machine. Redirects are not followed, so the keys
are those of the address that the operator wrote. Errors are `OperatorError`, in one line that names the option.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
import msgspec

from touchline_protocol.errors import OperatorError
from touchline_protocol.loopback import is_loopback
from touchline_protocol.utf8 import NotUtf8, text_of
from touchline_server.http_client import http_client

from .keys import ALGORITHMS, HS256, BadKey, Key, KeyForOtherUse, key_from_jwk

JWKS_BYTES_MAX = 256 * 1024
"""A key takes one or two kilobytes, or a few with its certificates. Issuers publish two to ten keys."""
KEYS_MAX = 32
"""A token that does not name its key is checked with each of them, at about 0.1 ms."""
FETCH_TIMEOUT_S = 5.0
"""Time for a whole fetch: the server's start waits for the first one."""

_SHOWN_CHARS_MAX = 200  # of an address in a document, when a message quotes it
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class IgnoredKey(NamedTuple):
    """A member of a set that is not used. ``expected``: it has another purpose, so nobody has to do anything."""

    reason: str
    expected: bool


class KeySet(NamedTuple):
    """The keys that can be used, and why each of the others cannot."""

    keys: Sequence[Key]
    ignored: Sequence[IgnoredKey]


class JwksSource(Protocol):
    """Something that provides a key set."""

    @property
    def algorithms(self) -> Sequence[str]:
        """The algorithms whose keys it can provide."""

    async def fetch(self) -> KeySet:
        """Read the set as it is now.

        Raises:
            OperatorError: the set cannot be read, or has no key that can be used.
        """

    async def close(self) -> None:
        """Close connections."""


def jwks_source(location: str) -> "JwksFile | JwksUrl":
    """The source that ``auth.jwks`` names. A text that begins like ``https:`` is a URL; anything else is a file."""
    return JwksUrl(location) if _URL.match(location) else JwksFile(Path(location))


class JwksFile:
    """A key set in a file. It can also contain secrets."""

    algorithms = ALGORITHMS

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> KeySet:
        return await asyncio.to_thread(self.read)

    def read(self) -> KeySet:
        """Read the file, blocking."""
        try:
            with self._path.open("rb") as file:
                document = file.read(JWKS_BYTES_MAX + 1)
        except OSError as error:
            raise OperatorError(f"auth.jwks: cannot read {self._path}: {error.strerror or error}") from None
        return parse_jwks(document, str(self._path), symmetric=True)

    async def close(self) -> None:
        pass


class JwksUrl:
    """A key set that an issuer publishes. Secrets in it are ignored, because everybody can read them."""

    algorithms = tuple(algorithm for algorithm in ALGORITHMS if algorithm != HS256)

    def __init__(self, url: str) -> None:
        self._url = _checked_url(url)
        # Without compression, bytes can be counted as they arrive.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            self._client = http_client(self._url, headers=headers, timeout_s=FETCH_TIMEOUT_S)
        except OperatorError as error:
            raise OperatorError(f"auth.jwks: {error}") from None

    async def fetch(self) -> KeySet:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                document = await self._download()
        except TimeoutError:
            raise OperatorError(f"auth.jwks: {self._url} did not answer within {FETCH_TIMEOUT_S:g} s") from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise OperatorError(f"auth.jwks: cannot fetch {self._url}: {reason}") from None
        return parse_jwks(document, str(self._url), symmetric=False)

    async def _download(self) -> bytes:
        async with self._client.stream("GET", self._url) as response:
            if response.is_redirect:
                raise OperatorError(
                    f"auth.jwks: {self._url} redirects, and redirects are not followed: use the final address"
                )
            if response.status_code != httpx.codes.OK:
                raise OperatorError(f"auth.jwks: {self._url} answered with status {response.status_code}")
            document = b""
            async for chunk in response.aiter_raw():
                document += chunk
                if len(document) > JWKS_BYTES_MAX:
                    break
            return document

    async def close(self) -> None:
        await self._client.aclose()


def _checked_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise OperatorError(f"auth.jwks is not a valid URL: {error}") from None
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))):
        raise OperatorError(
            "auth.jwks must be an https:// URL, an http:// URL on this machine (localhost), or the path of a file: "
            "keys that travel unprotected could be replaced by anybody"
        )
    if url.userinfo:
        raise OperatorError("auth.jwks contains a user name or password: a set of public keys needs none")
    return url


def parse_jwks(document: bytes, named: str, *, symmetric: bool) -> KeySet:
    """Read a key set. Each of its members is read by itself: one that cannot be used never costs another one.

    Keys of an unknown type or for another use are ignored, too (RFC 7517 section 5).
    """
    if len(document) > JWKS_BYTES_MAX:
        raise OperatorError(f"auth.jwks: {named} is larger than {JWKS_BYTES_MAX >> 10} KiB; a key set is smaller")
    keys: list[Key] = []
    ignored: list[IgnoredKey] = []
    for position, jwk in enumerate(_members(document, named)):
        try:
            if len(keys) == KEYS_MAX:
                raise BadKey(f"is ignored: at most {KEYS_MAX} keys are used")
            keys.append(key_from_jwk(bytes(jwk), symmetric=symmetric))
        except BadKey as error:
            ignored.append(IgnoredKey(f"key {position} of {named} {error}", isinstance(error, KeyForOtherUse)))
    if not keys:
        reason = "; ".join(key.reason for key in ignored[:3]) or "it is empty"
        raise OperatorError(f"auth.jwks: {named} has no key to verify tokens with: {reason}")
    return KeySet(keys, ignored)


def _members(document: bytes, named: str) -> list[msgspec.Raw]:
    try:
        read = msgspec.json.decode(text_of(document), type=_KeySetDocument)
    except NotUtf8 as error:
        raise OperatorError(f"auth.jwks: {named} {error}") from None
    except (msgspec.DecodeError, RecursionError):
        raise _not_a_key_set(named) from None
    if read.keys is None:
        raise _not_a_key_set(named, read.jwks_uri)
    return read.keys


def _not_a_key_set(named: str, jwks_uri: object = None) -> OperatorError:
    text = f'auth.jwks: {named} is not a JSON Web Key Set: {{"keys": […]}}'
    if isinstance(jwks_uri, str):
        text += f". It is the configuration of an issuer, whose key set is at {jwks_uri[:_SHOWN_CHARS_MAX]}"
    return OperatorError(text)


class _KeySetDocument(msgspec.Struct):
    keys: list[msgspec.Raw] | None = None
    jwks_uri: Any = None
    """OpenID Connect Discovery, whose address is easily taken for that of the key set."""
