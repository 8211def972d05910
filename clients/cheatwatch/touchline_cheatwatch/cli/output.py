"""Lines of JSON on standard output, for programs."""

from typing import Any

from touchline_cli.output import write_line


def write_json_line(line: dict[str, Any]) -> None:
    """Write a line of JSON. A slow reader holds up all judging, and one that has gone ends it.

    Raises:
        ReaderGone, OperatorError: as `touchline_cli.output.write_line`.
    """
    import msgspec  # noqa: PLC0415 - see the package

    write_line(msgspec.json.encode(line))
