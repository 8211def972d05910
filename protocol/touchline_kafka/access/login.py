"""A login that the broker refuses, in the terms of its mechanism: each has other things to check."""

from aiokafka.errors import SaslAuthenticationFailed

REASON_CHARS_MAX = 300
"""How much of the broker's own reason is shown. Managed services say more in it than Kafka does."""


class LoginRefused(SaslAuthenticationFailed):  # type: ignore[misc]  # aiokafka has no types
    """The broker does not accept a login by a user name and a password. ``meaning`` is a phrase for an operator."""

    def __init__(self, mechanism: str, reason: str) -> None:
        super().__init__(reason)
        why = f": {reason[:REASON_CHARS_MAX]}" if reason else ""
        self.meaning = _to_check(mechanism) + why


def _to_check(mechanism: str) -> str:
    if mechanism == "PLAIN":
        return "the user name or the password is wrong"
    if mechanism.startswith("SCRAM-"):
        return f"the user name or the password is wrong, or the user has no password for {mechanism}"
    return f"the broker does not accept the login by {mechanism}"
