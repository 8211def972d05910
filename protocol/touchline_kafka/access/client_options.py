"""`security.Security` as the keyword arguments of aiokafka's clients."""

from typing import Any

from touchline_kafka.security import Security

from .client_credentials import ClientCredentials
from .oauth import MECHANISM
from .tls import TlsFiles
from .token_source import TokenSource
from .tokens import load_provider


def client_options(security: Security) -> dict[str, Any]:
    """The keyword arguments for TLS and SASL. ``ssl_context`` is a `TlsFiles`, which `connection.Connection` takes.

    Raises:
        OperatorError: a certificate or key file, or the token provider, cannot be used.
    """
    secured = "SSL" if security.tls else "PLAINTEXT"
    options: dict[str, Any] = {"security_protocol": f"SASL_{secured}" if security.sasl_mechanism else secured}
    if security.tls:
        options["ssl_context"] = TlsFiles(security)
    if security.sasl_mechanism:
        options["sasl_mechanism"] = security.sasl_mechanism
    if security.sasl_mechanism == MECHANISM:
        options["sasl_oauth_token_provider"] = _token_source(security)
    elif security.sasl_mechanism:
        options["sasl_plain_username"] = security.sasl_username
        options["sasl_plain_password"] = security.sasl_password
    return options


def _token_source(security: Security) -> TokenSource:
    if security.sasl_oauth_provider:
        return TokenSource(load_provider(security.sasl_oauth_provider), security.sasl_oauth_provider)
    provider = ClientCredentials(
        security.sasl_oauth_token_url or "",
        security.sasl_username or "",
        security.sasl_password or "",
        scope=security.sasl_oauth_scope or None,
        extensions=security.sasl_oauth_extensions or {},
    )
    return TokenSource(provider, "the token endpoint")
