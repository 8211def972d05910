"""What went wrong in Kafka: whose fault it is, how far it reaches, and a phrase for an operator.

Every error of a request to Kafka is classified here and nowhere else. Brokers answer with codes, which `error_codes`
has a row for; the client's own errors (no connection, no answer, TLS) are classified below.
"""

import ssl
from typing import NamedTuple

from aiokafka.errors import (
    BrokerResponseError,
    IncompatibleBrokerVersion,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RecordTooLargeError,
    UnsupportedCodecError,
    for_code,
)

from touchline_protocol.errors import LogUnavailable, OperatorError

from .access.login import LoginRefused
from .access.tokens import TokenRefused
from .error_codes import BY_CODE, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, Fault, Remedy, Scope, remedy

REQUEST_ERRORS = (KafkaError, OSError, TimeoutError, NotImplementedError)
"""All that a request to Kafka raises. ``OSError`` covers refused connections, DNS and TLS; ``NotImplementedError`` is
aiokafka's way to say that it shares no version of a request with the broker."""

CERTIFICATE_ALERTS = frozenset(
    (
        "ACCESS_DENIED",
        "BAD_CERTIFICATE",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_REQUIRED",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_UNKNOWN",
        "UNKNOWN_CA",
        "UNSUPPORTED_CERTIFICATE",
    )
)
"""What TLS says of a certificate that is missing or not accepted, in OpenSSL's words."""


class Classification(NamedTuple):
    """``retriable`` is Kafka's own opinion; our clients go by `remedy`. ``text`` is a phrase for an operator."""

    fault: Fault
    scope: Scope
    retriable: bool
    text: str

    @property
    def remedy(self) -> Remedy:
        """What a client does about it."""
        return remedy(self.fault, self.scope)


class UnlistedError(BrokerResponseError):  # type: ignore[misc]  # aiokafka has no types
    """A broker's error that aiokafka has no class for. ``errno`` is its code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.errno = code


def error_of(code: int) -> KafkaError:
    """The exception for an error code in an answer. aiokafka would drop the number of a code that it does not know."""
    error: KafkaError = for_code(code)()
    return error if error.errno == code else UnlistedError(code)


def classify(error: BaseException) -> Classification:
    """What an error means to us. One that no request raises is a bug."""
    if isinstance(error, BrokerResponseError):
        return _of_code(error)
    if isinstance(error, RecordTooLargeError):
        return Classification(Fault.REFUSAL, Scope.RECORD, False, BY_CODE[MESSAGE_TOO_LARGE].meaning)
    if isinstance(error, UnsupportedCodecError):  # its text names the library
        return Classification(Fault.REFUSAL, Scope.TOPIC, False, _args(error) or "unknown codec")
    if (refusal := _refusal(error)) is not None:
        return Classification(Fault.REFUSAL, Scope.CLUSTER, False, refusal)
    fault = Fault.OUTAGE if isinstance(error, KafkaError | OSError) else Fault.BUG
    return Classification(fault, Scope.CLUSTER, fault is Fault.OUTAGE, _outage(error))


def _refusal(error: BaseException) -> str | None:
    """Why this client refuses the broker, or the broker this client; None if the error is about something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", error)  # only OpenSSL's own errors have it
        return f"its certificate is not trusted, {why}; ca_file must name its authority"
    if (alert := _tls_alert(error)) is not None:
        return f"it does not accept this client's certificate ({alert}): check cert_file and key_file"
    if isinstance(error, TokenRefused):
        return _args(error)
    if isinstance(error, IncompatibleBrokerVersion | NotImplementedError):
        return "the broker is older than Kafka 3.1, the oldest supported"
    return None


def _outage(error: BaseException) -> str:
    if isinstance(error, NodeNotReadyError):
        return "the broker cannot be reached" + (f": {describe(error.__cause__)}" if error.__cause__ else "")
    if isinstance(error, TimeoutError | KafkaTimeoutError):
        return "no answer in time"
    text = _args(error) if isinstance(error, KafkaError) else str(error)
    if text.startswith("Unable to bootstrap"):  # the rest is a list of Python's address tuples
        why = error.__cause__
        return describe(why) if why else "the broker accepts connections and answers nothing on them"
    return text or type(error).__name__


def _args(error: KafkaError) -> str:
    """An error's text without its class, which aiokafka puts in front."""
    return ", ".join(map(str, error.args))


def _tls_alert(error: BaseException) -> str | None:
    """What a broker has against our certificate; None if this error is about something else.

    With TLS 1.3 it says so after we believe that we are connected, so the alert ends the first request.
    """
    cause = error.__cause__ if isinstance(error, KafkaError) else error
    reason = (cause.reason or "") if isinstance(cause, ssl.SSLError) else ""
    _, is_alert, alert = reason.partition("_ALERT_")
    return alert.replace("_", " ").lower() if is_alert and alert in CERTIFICATE_ALERTS else None


def _of_code(error: BrokerResponseError) -> Classification:
    row = BY_CODE.get(error.errno)
    if row is None:
        text = f"Kafka answered with error {error.errno}"
        return Classification(Fault.OUTAGE, Scope.CLUSTER, bool(error.retriable), text)
    text = error.meaning if isinstance(error, LoginRefused) else row.meaning
    return Classification(row.fault, row.scope, row.retriable, text)


def is_refusal(error: BaseException) -> bool:
    """Whether trying again is useless until an operator has changed something."""
    return classify(error).fault is Fault.REFUSAL


def is_retried(error: BaseException) -> bool:
    """Whether the same request may succeed without anybody's help."""
    return classify(error).remedy is Remedy.RETRY


def is_damage(error: BaseException) -> bool:
    """Whether records are not as they were written: another replica may have them, or a disk be repaired."""
    return isinstance(error, BrokerResponseError) and error.errno == CORRUPT_MESSAGE


def describe(error: BaseException) -> str:
    """What went wrong, as a phrase for an operator. aiokafka's own texts are numbers, class names or empty."""
    return classify(error).text


def operator_error(what: str, error: BaseException) -> OperatorError:
    """What to raise once ``what`` is given up: `LogUnavailable` if it can come back by itself."""
    message = f"{what}: {describe(error)}"
    return OperatorError(message) if is_refusal(error) else LogUnavailable(message)
