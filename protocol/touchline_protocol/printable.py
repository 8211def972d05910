"""Text from elsewhere, made fit to be shown: without what changes a terminal or hides in it, and without credentials.

Light to import: every error of ours uses it.
"""

import re

_UNSHOWABLE = (
    (0x0000, 0x001F),  # controls
    (0x007F, 0x009F),  # delete, and the controls that are whole escape sequences on some terminals
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # invisible, as the following to 180F
    (0x061C, 0x061C),  # direction of text
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200B),
    (0x200E, 0x200F),  # direction of text
    (0x2028, 0x202E),  # line and paragraph separators, direction of text
    (0x2060, 0x206F),  # invisible, direction of text
    (0x3164, 0x3164),  # invisible
    (0xD800, 0xDFFF),  # surrogates
    (0xFDD0, 0xFDEF),  # noncharacters
    (0xFEFF, 0xFEFF),  # byte-order mark
    (0xFFA0, 0xFFA0),  # invisible
    (0xFFF0, 0xFFFB),
    (0xFFFE, 0xFFFF),  # noncharacters
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),  # tags, in which whole sentences can hide
)
"""Code points that a terminal obeys, or that nobody sees. The joiners 200C and 200D and the variation selectors FE00 to
FE0F are not among them: Persian, Hindi and emoji are written with them."""

_CLASS = "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _UNSHOWABLE) + "]"
_UNSHOWABLE_CHARACTER = re.compile(_CLASS)

_QUOTED = re.compile(r"(?<=['\"])([A-Za-z][A-Za-z0-9+.-]*:/+)[^'\"\n]*@")
"""A quoted URL up to its last ``@``. It may have spaces: URLs in errors are often those that have the wrong form."""
_WORD = re.compile(r"\S+")
_AUTHORITY = re.compile(r"[A-Za-z0-9]:/+")
"""Where the rest of a URL begins. One that was taken for a path has lost a slash."""
_LOCAL = ("sqlite:", "file:")
"""URLs of local files: their paths may have an ``@``, and they have no credentials."""
_BARE_QUOTED = re.compile(r"(?<=['\"])([^\s'\":@]*:)(?!/)[^'\"\n]*@")
"""A quoted ``user:password@``. As in `_QUOTED`, the password may have spaces."""
_SECRET_FIELD = re.compile(
    r"([?&;][\w.-]{0,40}?(?:pass|pwd|secret|token|key|credential|auth|signature)[\w.-]{0,40}=)[^\s&'\"]+", re.IGNORECASE
)
_BEFORE_ADDRESS = "'\"([{</"
MASK = "***"


def counted(number: float, noun: str, plural: str | None = None) -> str:
    """``number`` with its noun: "1 player", "2,000 players", "0.5 minutes"."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{shown} {noun if number == 1 else plural or noun + 's'}"


def escaped(text: str) -> str:
    """Replace every character that must not reach a terminal by its escape in JSON, such as ``\\u202e``.

    In a JSON document that changes nothing: all of these characters stand in strings, and mean the same there.
    """
    return _UNSHOWABLE_CHARACTER.sub(_json_escape, text)


def without_credentials(text: str) -> str:
    """Mask what may be a secret in each address of a text, with a scheme or without: ``user:password@host``, and the
    fields of a query whose names are such as ``password``.

    It masks rather too much than too little: an address in an error is often one that has the wrong form. A room
    ``match:a@b`` looks the same, so use this for errors and for values that are addresses.
    """
    masked = without_url_credentials(text)
    if "@" in masked:
        masked = _WORD.sub(_mask_bare_word, _BARE_QUOTED.sub(_mask_quoted_bare, masked))
    return _SECRET_FIELD.sub(rf"\1{MASK}", masked) if "=" in masked else masked


def without_url_credentials(text: str) -> str:
    """Mask what may be a secret in each URL of a text: the user and the password before an ``@``, and the query."""
    if ":/" not in text:
        return text
    return _WORD.sub(_mask_word, _QUOTED.sub(_mask_quoted, text))


def _mask_quoted(match: re.Match[str]) -> str:
    return match[0] if match[1].startswith(_LOCAL) else f"{match[1]}{MASK}@"


def _mask_quoted_bare(match: re.Match[str]) -> str:
    return match[0] if match[1] in _LOCAL else f"{MASK}@"


def _mask_bare_word(match: re.Match[str]) -> str:
    """The first colon is before a password, unless it ends a scheme: `_mask_word` has seen to URLs."""
    word = match[0]
    begin = len(word) - len(word.lstrip(_BEFORE_ADDRESS))
    colon, at, url = word.find(":"), word.rfind("@"), _AUTHORITY.search(word)
    if not 0 <= colon < at or word.startswith(_LOCAL, begin) or (url is not None and url.start() + 1 == colon):
        return word
    return f"{word[:begin]}{MASK}{word[at:]}"


def _mask_word(match: re.Match[str]) -> str:
    """Searches once from each side, since whoever sends the text chooses its length and its slashes."""
    word = match[0]
    found = _AUTHORITY.search(word)
    if found is None:
        return word
    begin, at = found.end(), word.rfind("@")
    if at >= begin and not any(word.rfind(scheme, 0, begin) >= 0 for scheme in _LOCAL):
        word = f"{word[:begin]}{MASK}{word[at:]}"
    query = word.find("?", begin)
    if query < 0:
        return word
    rest = word[query + 1 :]
    ends = rest[len(rest.rstrip("'\",.:;)")) :]
    return f"{word[: query + 1]}{MASK}{ends}" if rest != ends else word


def _json_escape(match: re.Match[str]) -> str:
    encoded = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{encoded[index : index + 2].hex()}" for index in range(0, len(encoded), 2))
