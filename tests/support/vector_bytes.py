"""The bytes in test vectors."""

from typing import Any


def bytes_of(described: dict[str, Any] | None) -> bytes | None:
    """The bytes that a vector describes as text, as hexadecimal digits, or as texts with the number of repetitions."""
    match described:
        case None:
            return None
        case {"text": text}:
            return str(text).encode()
        case {"hex": digits}:
            return bytes.fromhex(digits)
        case {"parts": parts}:
            return b"".join(text.encode() * times for text, times in parts)
    raise AssertionError(described)
