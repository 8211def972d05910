"""TLS and SASL: how a client proves who it is to Kafka, and how it knows the broker.

`Security` is the one description of it: the server's ``[kafka]`` table, cheatwatch's ``[kafka]`` table and the
``security`` argument of `touchline.actions.read`. It is a plain dataclass, so pydantic and msgspec both validate it.

Pure: knows no Kafka client and opens no files; `client_options` does. The names of the fields are the names of the
settings.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Security:
    """How to reach Kafka securely. The default is neither TLS nor SASL.

    Raises:
        ValueError: a field lacks the one that it needs; see `incomplete`.
    """

    tls: bool = False
    ca_file: str | None = None
    """PEM file of the certificate authorities to trust. None trusts those of the system."""
    cert_file: str | None = None
    """PEM file of this client's own certificate, for brokers that ask for one; `key_file` belongs to it."""
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    tls_check_hostname: bool = True
    """Whether the broker's certificate must name the host that was connected to."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if problem := self.incomplete():
            raise ValueError(" ".join(problem))

    def incomplete(self) -> tuple[str, str] | None:
        """The field that lacks another, and what it needs; None if nothing is missing."""
        if self.sasl_mechanism and (self.sasl_username is None or self.sasl_password is None):
            return "sasl_mechanism", "needs sasl_username and sasl_password"
        if self.cert_file and not self.key_file:
            return "cert_file", "needs the key_file that belongs to it"
        if self.key_file and not self.cert_file:
            return "key_file", "needs the cert_file that it belongs to"
        return None
