"""How to reach Kafka securely, as three kinds of configuration have it."""

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from touchline_kafka.security import Security

INCOMPLETE = [
    ({"sasl_mechanism": "PLAIN", "sasl_username": "u"}, "sasl_password"),
    ({"key_file": "k"}, "cert_file"),
    ({"sasl_mechanism": "OAUTHBEARER"}, "sasl_oauth_token_url"),
    ({"sasl_oauth_provider": "m:f"}, "sasl_mechanism"),
    ({"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_provider": "m:f", "sasl_oauth_token_url": "https://i"}, "either"),
    ({"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_provider": "m:f", "sasl_oauth_scope": "s"}, "sasl_oauth_scope"),
    ({"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_url": "https://idp"}, "sasl_password"),
    (
        {
            "sasl_mechanism": "OAUTHBEARER",
            "sasl_oauth_token_url": "http://idp",
            "sasl_username": "u",
            "sasl_password": "p",
        },
        "https://",
    ),
]
WHOLE = {"tls": True, "ca_file": "ca.pem", "sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "hush"}


@pytest.mark.parametrize(("options", "lacks"), INCOMPLETE)
def test_what_is_incomplete_is_refused_by_each(options: dict[str, str], lacks: str) -> None:
    with pytest.raises(ValueError, match=lacks):
        Security(**options)  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError, match=lacks):
        msgspec.convert(options, Security)
    with pytest.raises(ValidationError, match=lacks):
        TypeAdapter(Security).validate_python(options)


def test_each_makes_the_same_of_it() -> None:
    made = Security(**WHOLE)  # type: ignore[arg-type]
    assert msgspec.convert(WHOLE, Security) == TypeAdapter(Security).validate_python(WHOLE) == made
    assert "hush" not in repr(made)
