"""The table ``[tls]``: TLS on the port of the edge, for those without a proxy."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from touchline_server.config.tables import Table, option_error
from touchline_server.config.values import Wait


class TlsSettings(Table):
    """The certificate that clients see. Without one, the port has no TLS, and a proxy in front should."""

    cert_file: Path | None = None
    """A PEM file with the certificate, followed by those of the authorities between it and a root."""
    key_file: Path | None = None
    """A PEM file with its key, if that is not in ``cert_file`` too."""
    key_password: str | None = Field(default=None, repr=False)
    """The password of the key, if it is encrypted."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that clients may use. All browsers of the last ten years know 1.2."""
    check_s: Wait = Field(default=60.0, ge=0.1)
    """How often the files are looked at: new ones are used for new connections. SIGHUP does so at once."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> "TlsSettings":
        if self.cert_file is None and (self.key_file is not None or self.key_password is not None):
            raise option_error("cert_file", "cert_file is missing: a key without a certificate is not used")
        return self
