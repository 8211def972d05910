"""Tokens for SASL OAUTHBEARER: what a provider of them promises, and how it is found by its name.

A provider is any callable without arguments that returns a `Token`, or a coroutine that does. `TokenSource` calls it.
A provider of your own needs nothing from this package but `Token`, and `TokenRefused` to say that trying is useless.
"""

import importlib
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka.errors import KafkaConnectionError, KafkaError

from touchline_protocol.errors import OperatorError

_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""A token as RFC 6750 has it. Anything else could break out of its field in the message to the broker."""
_EXTENSION_NAME = re.compile(r"(?!auth$)[A-Za-z]+")
_EXTENSION_VALUE = re.compile(r"[\x21-\x7e \t\r\n]+")
"""Names and values of extensions as RFC 7628 has them."""


@dataclass(frozen=True)
class Token:
    """A token for Kafka. ``expires_s`` is in Unix seconds.

    ``principal`` is whom the token stands for, for log lines alone: the broker reads it from the token.
    ``extensions`` are sent beside the token (KIP-342).
    """

    value: str = field(repr=False)
    expires_s: float
    principal: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)

    def problem(self) -> str | None:
        """Why the token cannot be sent; None if it can."""
        if not _BEARER.fullmatch(self.value):
            return "its token holds characters that no token has (RFC 6750)"
        for name, value in self.extensions.items():
            if not _EXTENSION_NAME.fullmatch(name) or not _EXTENSION_VALUE.fullmatch(value):
                return f"the extension {name!r} is invalid: names are letters, values printable ASCII (RFC 7628)"
        return None


class TokenProvider(Protocol):
    """Makes tokens. It may block: if it is not a coroutine function, it is called in a thread of its own.

    Raises:
        TokenRefused: no token will be had until an operator has changed something.
        Exception: there is no token now; the provider is asked again.
    """

    def __call__(self) -> Token | Awaitable[Token]: ...


class TokenRefused(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """There is no token until an operator acts, or the broker does not accept it. The message says why."""


class TokenUnavailable(KafkaConnectionError):  # type: ignore[misc]
    """There is no token now. The message says why."""


def load_provider(path: str) -> TokenProvider:
    """The provider at ``module:name``. A class is instantiated, without arguments.

    Raises:
        OperatorError: there is none.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise OperatorError(f"sasl_oauth_provider is {path!r}: write it as module:callable_or_class")
    try:
        found = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
        provider = found() if isinstance(found, type) else found
    except OperatorError:
        raise
    except Exception as error:  # whatever the module or the class does
        raise OperatorError(
            f"sasl_oauth_provider {path!r} cannot be used: {type(error).__name__}: {error}; its module must be "
            "installed, or be in a folder of PYTHONPATH"
        ) from error
    if not callable(provider):
        raise OperatorError(f"sasl_oauth_provider {path!r} is not callable")
    return provider
