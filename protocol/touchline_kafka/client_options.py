"""`security.Security` as the keyword arguments of aiokafka's clients."""

import ssl
from typing import Any

from touchline_protocol.errors import OperatorError

from .security import Security


def client_options(security: Security) -> dict[str, Any]:
    """The keyword arguments for TLS and SASL.

    Raises:
        OperatorError: a certificate or key file cannot be used.
    """
    secured = "SSL" if security.tls else "PLAINTEXT"
    options: dict[str, Any] = {"security_protocol": f"SASL_{secured}" if security.sasl_mechanism else secured}
    if security.tls:
        options["ssl_context"] = _ssl_context(security)
    if security.sasl_mechanism:
        options["sasl_mechanism"] = security.sasl_mechanism
        options["sasl_plain_username"] = security.sasl_username
        options["sasl_plain_password"] = security.sasl_password
    return options


def _ssl_context(security: Security) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
        if security.cert_file is not None:
            context.load_cert_chain(security.cert_file, security.key_file, security.key_password)
    except OSError as error:  # the file cannot be read, or does not hold a certificate
        files = ", ".join(file for file in (security.ca_file, security.cert_file, security.key_file) if file)
        raise OperatorError(f"Kafka's TLS files ({files}) cannot be used: {error}") from error
    context.check_hostname = security.tls_check_hostname
    return context
