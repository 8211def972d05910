"""Text that arrives as bytes from files and request bodies: UTF-8, with or without a byte-order mark.

Editors and shells on Windows write the mark, and RFC 8259 section 8.1 allows a reader to skip it. Any other encoding is
an error that names it. Pure.
"""

import codecs

_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_NUL_SEARCHED_BYTES = 4
"""Text without a mark that has a NUL this early is UTF-16 or UTF-32, with a first character of ASCII (RFC 4627)."""


class NotUtf8(ValueError):
    """The bytes are in another encoding. The message continues a sentence that begins with the file's name."""


def without_mark(data: bytes) -> bytes:
    """``data`` without its byte-order mark, if it has one.

    Raises:
        NotUtf8: it begins like another encoding.
    """
    for mark, encoding in _OTHER_MARKS:
        if data.startswith(mark):
            raise NotUtf8(f"is encoded in {encoding}: save it as UTF-8")
    if b"\0" in data[:_NUL_SEARCHED_BYTES]:
        raise NotUtf8("begins like UTF-16 or UTF-32: save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def text_of(data: bytes) -> str:
    """The text of ``data``.

    Raises:
        NotUtf8: it is in another encoding. The message gives line and column.
    """
    encoded = without_mark(data)
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        before = encoded[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise NotUtf8(
            f"is not UTF-8 at line {line}, column {column} (byte 0x{encoded[error.start]:02x}), "
            "perhaps Latin-1: save it as UTF-8"
        ) from None
