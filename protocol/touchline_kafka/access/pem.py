"""What is missing in the PEM files of a certificate and its key: OpenSSL only says "PEM lib" to all of it."""

import re
from pathlib import Path

CERTIFICATE = re.compile(rb"-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----")
PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")


def missing_part(cert_file: Path, key_file: Path | None) -> str | None:
    """Which file lacks the certificate or the private key that it should hold; None if both are there.

    ``key_file`` is None if ``cert_file`` should hold the key too.

    Raises:
        OSError: a file cannot be read.
    """
    if not CERTIFICATE.search(cert_file.read_bytes()):
        return f"{cert_file} holds no certificate"
    if not PRIVATE_KEY.search((key_file or cert_file).read_bytes()):
        return f"{key_file or cert_file} holds no private key" + ("" if key_file else ": set key_file")
    return None
