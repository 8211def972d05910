"""Replaces a section of a document that a program writes. Pure.

The section is between two comments, which Markdown does not show.
"""

from touchline_protocol.errors import OperatorError


def marks(name: str) -> tuple[str, str]:
    """The comments around the section ``name``."""
    return f"<!-- begin {name} -->", f"<!-- end {name} -->"


def with_section(text: str, name: str, section: str) -> str:
    """The document ``text`` with a new content of one section. An empty document becomes that section.

    Raises:
        OperatorError: it has no such section.
    """
    begin, end = marks(name)
    if not text:
        text = f"{begin}\n{end}\n"
    before, found, rest = text.partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        raise OperatorError(f"the document has no section between {begin} and {end}")
    return f"{before}{begin}\n\n{section.strip()}\n\n{end}{after}"
