"""The certificate of a listener, and its replacement while the server runs.

New connections use the new certificate; open ones keep the one that they began with.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import TypeAlias

import structlog

from touchline_protocol.errors import OperatorError
from touchline_server.config.listener.tls import TlsSettings

from .tls import Tls, make_tls

logger = structlog.get_logger("touchline.edge")

_Stamp: TypeAlias = list[tuple[int, int, int] | None]
_Digests: TypeAlias = list[bytes]


class Certificate:
    """The TLS that new connections begin with; ``tls`` is None if the listener has none.

    Raises:
        OperatorError: the certificate or its key cannot be used.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self.tls: Tls | None = None
        self._watching: asyncio.Task[None] | None = None
        self._use(settings, _stamp(settings))

    def reload(self, settings: TlsSettings) -> None:
        """Read the files, or others. A new certificate is logged.

        Raises:
            OperatorError: they cannot be used; what there was before stays.
        """
        before = (self._settings, self._digests)
        self._use(settings, _stamp(settings))
        self._log_if_replaced(before)

    def _use(self, settings: TlsSettings, stamp: _Stamp) -> None:
        self.tls = make_tls(settings)
        self._settings, self._seen, self._digests = settings, stamp, _digests(settings)

    def _log_if_replaced(self, before: tuple[TlsSettings, _Digests]) -> None:
        """Log a new certificate, and not the same one in a file that was written again."""
        if self.tls is not None and (self._settings, self._digests) != before:
            logger.info("certificate_replaced", cert_file=str(self._settings.cert_file))

    def start(self) -> None:
        """Begin to look at the files periodically."""
        self._watching = asyncio.create_task(self._watch(), name="certificate")

    def stop(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.check_s)
            settings, seen = self._settings, self._seen
            stamp = await asyncio.to_thread(_stamp, settings)
            if stamp != seen and settings is self._settings:
                self._replace(settings, stamp)

    def _replace(self, settings: TlsSettings, stamp: _Stamp) -> None:
        before = (self._settings, self._digests)
        try:
            self._use(settings, stamp)
        except OperatorError as error:
            # Not again until the files change: a pair that is being written is one for a moment.
            self._seen, self._digests = stamp, []  # so that the same pair is logged when it is back
            logger.warning("certificate_unusable", why=str(error))
        else:
            self._log_if_replaced(before)


def _stamp(settings: TlsSettings) -> _Stamp:
    """What changes when a file is written, or replaced, or a link to it leads elsewhere, as in Kubernetes."""
    return [_stamp_of(file) for file in (settings.cert_file, settings.key_file) if file is not None]


def _digests(settings: TlsSettings) -> _Digests:
    """What changes with the contents of the files."""
    return [_digest_of(file) for file in (settings.cert_file, settings.key_file) if file is not None]


def _digest_of(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b""


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
