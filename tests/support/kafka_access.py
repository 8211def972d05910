"""Listeners of a test broker that take tokens and certificates, and tokens for them."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path

from support.certificates import Authority
from touchline_kafka.access.tokens import Token

SESSION_S = 1.0
"""How long a broker believes a login by token: it closes connections that are used for longer."""


def token_listener(name: str) -> Mapping[str, object]:
    """Settings of a listener that takes unsecured tokens (JWS without a signature), for `SESSION_S`."""
    listener = f"listener.name.{name}"
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
    return {
        f"{listener}.sasl.enabled.mechanisms": "OAUTHBEARER",
        f"{listener}.oauthbearer.sasl.jaas.config": f"{module} required;",
        f"{listener}.oauthbearer.connections.max.reauth.ms": round(SESSION_S * 1000),
    }


def certificate_listener(name: str, store: Path, clients: Authority) -> Mapping[str, object]:
    """Settings of a listener that demands a certificate of ``clients``. ``store`` has its own."""
    listener = f"listener.name.{name}"
    return {
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": store,
        f"{listener}.ssl.truststore.type": "PEM",
        f"{listener}.ssl.truststore.location": clients.ca_file,
        f"{listener}.ssl.client.auth": "required",
    }


def token(subject: str, *, lives_s: float = 600.0) -> Token:
    """An unsecured token for ``subject``, which a broker accepts as if it were signed."""
    expires_s = time.time() + lives_s
    claims = {"sub": subject, "iat": time.time() - 1, "exp": expires_s}
    return Token(f"{_part({'alg': 'none'})}.{_part(claims)}.", expires_s, subject)


def _part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
