"""Certificates for tests, by openssl: an authority, and what it issues."""

from pathlib import Path
from typing import NamedTuple, Self

from touchline_loadtest.rig.kafka import java as kafka_java

EXPIRED = ("-days", "-1")
VALID = ("-days", "2")


class Issued(NamedTuple):
    """PEM files: the certificate, its private key, and both in one."""

    cert_file: Path
    key_file: Path
    bundle: Path


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._key = folder / "ca-key.pem"

    @classmethod
    def at(cls, folder: Path) -> Self:
        """The authority in a folder, which is created unless it exists."""
        authority = cls(folder)
        if not authority.ca_file.exists():
            folder.mkdir(parents=True)
            files = ("-keyout", str(authority._key), "-out", str(authority.ca_file))
            kafka_java.run(["openssl", "req", "-x509", *_KEY, "-nodes", *VALID, "-subj", f"/CN={folder.name}", *files])
        return authority

    def issue(
        self, folder: Path, name: str, *, validity: tuple[str, ...] = VALID, password: str | None = None
    ) -> Issued:
        """A certificate for ``name`` at the loopback interface, with files in ``folder``; ``password`` encrypts its
        key."""
        folder.mkdir(parents=True, exist_ok=True)
        issued = Issued(folder / "cert.pem", folder / "key.pem", folder / "bundle.pem")
        request = folder / "request.pem"
        hidden = ("-nodes",) if password is None else ("-passout", f"pass:{password}")
        files = ("-keyout", str(issued.key_file), "-out", str(request))
        kafka_java.run(["openssl", "req", *_KEY, *hidden, "-subj", f"/CN={name}", *files])
        extensions = folder / "extensions.cnf"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        by = ("-CA", str(self.ca_file), "-CAkey", str(self._key), "-extfile", str(extensions))
        what = ("-in", str(request), "-out", str(issued.cert_file), *validity)
        kafka_java.run(["openssl", "x509", "-req", *by, "-set_serial", "7", *what])
        issued.bundle.write_text(issued.cert_file.read_text() + issued.key_file.read_text())
        return issued


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
