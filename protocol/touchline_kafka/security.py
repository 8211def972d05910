"""TLS and SASL: how a client proves who it is to Kafka, and how it knows the broker; and in which zone it is.

`Security` is the one description of it: the server's ``[kafka]`` table, cheatwatch's ``[kafka]`` table and the
``security`` argument of `touchline.actions.read`. It is a plain dataclass, so pydantic and msgspec both validate it.

Pure: knows no Kafka client and opens no files; `access` does. The names of the fields are the names of the
settings.
"""

from dataclasses import dataclass, field
from typing import Literal

SECRET_URLS = ("https://", "http://localhost:", "http://127.0.0.1:", "http://[::1]:")
"""How an address begins that a secret may be sent to."""


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
    """PEM file of this client's own certificate and those of its authorities, for brokers that ask for one."""
    key_file: str | None = None
    """PEM file of the certificate's private key; None if `cert_file` holds it too."""
    key_password: str | None = field(default=None, repr=False)
    tls_check_hostname: bool = True
    """Whether the broker's certificate must name the host that was connected to."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    sasl_username: str | None = None
    """The user; with `sasl_oauth_token_url`, the client's id."""
    sasl_password: str | None = field(default=None, repr=False)
    """The password; with `sasl_oauth_token_url`, the client's secret."""
    sasl_oauth_provider: str | None = None
    """The token provider for OAUTHBEARER: ``module:callable_or_class``, see `access.tokens.TokenProvider`."""
    sasl_oauth_token_url: str | None = None
    """The token endpoint for OAUTHBEARER without a provider: tokens come from the client-credentials grant."""
    sasl_oauth_scope: str | None = None
    """What the token is asked for."""
    sasl_oauth_extensions: dict[str, str] | None = None
    """What is sent beside the token (KIP-342)."""
    rack: str | None = None
    """The zone that this client is in, as the brokers' ``broker.rack`` names it: records are then read from a replica
    in the same zone, if the brokers choose replicas by their rack (KIP-392). None reads from leaders."""

    def __post_init__(self) -> None:
        if problem := self.incomplete():
            raise ValueError(" ".join(problem))

    def incomplete(self) -> tuple[str, str] | None:
        """The field that lacks another, and what it needs; None if nothing is missing."""
        if self.key_file and not self.cert_file:
            return "key_file", "needs the cert_file that it belongs to"
        if self.sasl_mechanism == "OAUTHBEARER":
            return self._incomplete_oauth()
        for name in ("sasl_oauth_provider", "sasl_oauth_token_url", "sasl_oauth_scope", "sasl_oauth_extensions"):
            if getattr(self, name):
                return name, 'needs sasl_mechanism = "OAUTHBEARER"'
        if self.sasl_mechanism and (self.sasl_username is None or self.sasl_password is None):
            return "sasl_mechanism", "needs sasl_username and sasl_password"
        return None

    def _incomplete_oauth(self) -> tuple[str, str] | None:
        url = self.sasl_oauth_token_url
        if bool(self.sasl_oauth_provider) == bool(url):
            return "sasl_mechanism", "needs either sasl_oauth_provider or sasl_oauth_token_url"
        if not url:
            for name in ("sasl_oauth_scope", "sasl_oauth_extensions"):
                if getattr(self, name):
                    return name, "needs sasl_oauth_token_url: a provider brings its own"
        elif not url.startswith(SECRET_URLS):
            return "sasl_oauth_token_url", "must begin with https://, except on this machine: it gets the secret"
        elif self.sasl_username is None or self.sasl_password is None:
            return "sasl_oauth_token_url", "needs sasl_username and sasl_password: the client's id and secret"
        return None
