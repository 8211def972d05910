"""TLS with files that are renewed: each new connection uses what they hold then."""

import logging
import ssl
from pathlib import Path

from touchline_kafka.access.pem import missing_part
from touchline_kafka.security import Security
from touchline_protocol.errors import OperatorError

_log = logging.getLogger("touchline.kafka")

Stamp = tuple[int, int, int]


class TlsFiles:
    """The files of a `Security`, and the context of TLS for new connections.

    Raises:
        OperatorError: a file cannot be used.
    """

    def __init__(self, security: Security) -> None:
        self._security = security
        self._stamps = self._look()
        try:
            self._context = _context(security)
        except OSError as error:  # a file cannot be read, or does not hold what it should
            raise OperatorError(
                f"Kafka's TLS files ({', '.join(self._files)}) cannot be used: {_why(error)}"
            ) from error

    def current(self) -> ssl.SSLContext:
        """The context for a connection that is opened now.

        While new files cannot be used, for example because only one of two is there yet, it stays as it was.
        """
        stamps = self._look()
        if stamps != self._stamps:
            try:
                self._context = _context(self._security)
            except OSError as error:
                _log.warning(
                    "Kafka's TLS files (%s) have changed, and cannot be used: %s", ", ".join(self._files), _why(error)
                )
            else:
                self._stamps = stamps
                _log.info("Kafka's TLS files (%s) have changed: new connections use them", ", ".join(self._files))
        return self._context

    @property
    def _files(self) -> list[str]:
        one = self._security
        return [file for file in (one.ca_file, one.cert_file, one.key_file) if file]

    def _look(self) -> list[Stamp | None]:
        return [_stamp(Path(file)) for file in self._files]


def _stamp(file: Path) -> Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _context(security: Security) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=security.ca_file)
    if security.cert_file is not None:
        _load_certificate(context, security.cert_file, security.key_file, security.key_password)
    context.check_hostname = security.tls_check_hostname
    return context


def _load_certificate(context: ssl.SSLContext, cert_file: str, key_file: str | None, key_password: str | None) -> None:
    was_asked = False

    def password() -> str:
        """The password. Without this function, OpenSSL would ask for it at the terminal."""
        nonlocal was_asked
        was_asked = True
        return key_password or ""

    try:
        context.load_cert_chain(cert_file, key_file, password)
    except ssl.SSLError as error:
        if was_asked:
            raise OSError("the key is encrypted, and key_password is missing or wrong") from error
        if missing := missing_part(Path(cert_file), None if key_file is None else Path(key_file)):
            raise OSError(missing) from error
        raise


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return error.strerror or str(error)
