"""HTTP clients that use of the environment what applies to the host they ask.

Rules:

1. Requests to this machine need nothing of the environment: neither a proxy, which would look for the server on its own
   machine, nor certificates.
2. Requests to other machines use the proxy and the certificates that the environment names. If those cannot be used,
   that is an error which names the variables: without the proxy, the request might leak or get nowhere.
"""

from collections.abc import Mapping
from urllib.request import proxy_bypass

import httpx

from touchline_protocol.errors import OperatorError
from touchline_protocol.loopback import is_loopback

PROXY_VARIABLES = "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY"


def http_client(url: httpx.URL, *, headers: Mapping[str, str], timeout_s: float) -> httpx.AsyncClient:
    """A client for requests to the host of ``url``. It follows no redirects.

    Raises:
        OperatorError: the environment's proxy or certificates cannot be used.
    """
    is_direct = is_loopback(url.host) or bool(proxy_bypass(url.host))
    try:
        tls = httpx.create_ssl_context() if url.scheme == "https" else False
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error
        raise OperatorError(
            f"cannot set up TLS for {url.host}: {reason}: check SSL_CERT_FILE, SSL_CERT_DIR, SSLKEYLOGFILE"
        ) from None
    try:
        return httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=not is_direct, verify=tls)
    except ImportError:
        raise OperatorError(
            f"{_the_proxy(url)} is a SOCKS proxy, which needs another package: install httpx[socks], or set NO_PROXY"
        ) from None
    except (httpx.InvalidURL, ValueError) as error:
        raise OperatorError(f"{_the_proxy(url)} cannot be used: {error}") from None


def _the_proxy(url: httpx.URL) -> str:
    return f"the environment's proxy for {url.host} ({PROXY_VARIABLES})"
