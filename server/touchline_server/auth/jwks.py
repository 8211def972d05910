"""JSON Web Key Sets (RFC 7517 section 5): where one is, and what can be used of it.

A set comes from a file or a URL. A URL is https, or http on this machine; a redirect is not followed, so the keys are
those of the address that the operator wrote. Raises `OperatorError`, in one line that names the option.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
import msgspec

from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import LOOPBACK_HOSTS

from .keys import ALGORITHMS, HS256, BadKey, Key, key_from_jwk

JWKS_BYTES_MAX = 256 * 1024
"""A key takes one or two kilobytes, with its certificates some more; issuers publish two to ten of them."""
KEYS_MAX = 32
"""A token that does not name its key costs a check with each, some 0.1 ms."""
FETCH_SECONDS_MAX = 5.0
"""For all of a fetch: a start waits for the first."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class KeySet(NamedTuple):
    """The keys that can be used, and why the others cannot."""

    keys: Sequence[Key]
    passed_over: Sequence[str]


class JwksSource(Protocol):
    """Where a key set is."""

    @property
    def algorithms(self) -> Sequence[str]:
        """Those whose keys it may have."""

    async def fetch(self) -> KeySet:
        """Read the set as it is now.

        Raises:
            OperatorError: it cannot be read, or has no key that can be used.
        """

    async def close(self) -> None:
        """Give back what is held."""


def jwks_source(place: str) -> "JwksFile | JwksUrl":
    """The source that ``auth.jwks`` names: what begins as ``https:`` is a URL, all else a file."""
    return JwksUrl(place) if _URL.match(place) else JwksFile(Path(place))


class JwksFile:
    """A key set in a file, which may hold secrets too."""

    algorithms = ALGORITHMS

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> KeySet:
        return await asyncio.to_thread(self.read)

    def read(self) -> KeySet:
        """Read the file at once."""
        try:
            with self._path.open("rb") as file:
                document = file.read(JWKS_BYTES_MAX + 1)
        except OSError as error:
            raise OperatorError(f"auth.jwks: {self._path} cannot be read: {error.strerror or error}") from None
        return parse_jwks(document, str(self._path), symmetric=True)

    async def close(self) -> None:
        pass


class JwksUrl:
    """A key set that an issuer publishes: secrets in it are not used, since all the world has them."""

    algorithms = tuple(algorithm for algorithm in ALGORITHMS if algorithm != HS256)

    def __init__(self, url: str) -> None:
        self._url = _checked_url(url)
        # A proxy of the environment is for hosts elsewhere. Compressed bytes could not be counted as they come.
        self._client = httpx.AsyncClient(
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=self._url.host not in LOOPBACK_HOSTS,
            timeout=FETCH_SECONDS_MAX,
        )

    async def fetch(self) -> KeySet:
        try:
            async with asyncio.timeout(FETCH_SECONDS_MAX):
                document = await self._download()
        except TimeoutError:
            raise OperatorError(f"auth.jwks: {self._url} did not answer within {FETCH_SECONDS_MAX:g} s") from None
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise OperatorError(f"auth.jwks: {self._url} cannot be fetched: {reason}") from None
        return parse_jwks(document, str(self._url), symmetric=False)

    async def _download(self) -> bytes:
        async with self._client.stream("GET", self._url) as response:
            if response.is_redirect:
                raise OperatorError(f"auth.jwks: {self._url} redirects, which is not followed: write where to")
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
        raise OperatorError(f"auth.jwks is no URL: {error}") from None
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and url.host in LOOPBACK_HOSTS)):
        raise OperatorError(
            "auth.jwks must be an https:// URL, or an http:// URL on this machine (localhost), or a file's path: "
            "keys that come unprotected could be anybody's"
        )
    if url.userinfo:
        raise OperatorError("auth.jwks has a user name or password in it: public keys are published without")
    return url


def parse_jwks(document: bytes, named: str, *, symmetric: bool) -> KeySet:
    """Read a key set, and leave out what is not for checking tokens, or not known here (RFC 7517 section 5)."""
    if len(document) > JWKS_BYTES_MAX:
        raise OperatorError(f"auth.jwks: {named} has more than {JWKS_BYTES_MAX >> 10} KiB, which no key set needs")
    keys: list[Key] = []
    passed_over: list[str] = []
    for place, jwk in enumerate(_members(document, named)):
        try:
            if len(keys) == KEYS_MAX:
                raise BadKey(f"is left out: at most {KEYS_MAX} are used")
            keys.append(key_from_jwk(jwk, symmetric=symmetric))
        except BadKey as error:
            passed_over.append(f"key {place} of {named} {error}")
    if not keys:
        reason = "; ".join(passed_over[:3]) or "it is empty"
        raise OperatorError(f"auth.jwks: {named} has no key that tokens can be checked with: {reason}")
    return KeySet(keys, passed_over)


def _members(document: bytes, named: str) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(document, type=_KeySetDocument).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise OperatorError(f'auth.jwks: {named} is no JSON Web Key Set, which reads {{"keys": […]}}') from None


class _KeySetDocument(msgspec.Struct):
    keys: list[dict[str, Any]]
