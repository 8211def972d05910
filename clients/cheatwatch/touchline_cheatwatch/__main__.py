"""The command ``cheatwatch``. Its exit codes are in `exit_codes`; 0 is also that of a watch that was asked to stop."""

import sys

from touchline_cheatwatch.exit_codes import USER_ERROR
from touchline_cli.start import start

OUR_PACKAGES = frozenset(
    {"touchline", "touchline_cheatwatch", "touchline_cli", "touchline_kafka", "touchline_protocol"}
)


def main() -> None:
    """Run the command line and exit."""
    start(_run)


def _run() -> int:
    try:
        # Not at the top: the command is installed with the SDK, but the libraries that it needs may be missing. And
        # Ctrl-C must be quiet while they are imported.
        from touchline_cheatwatch.cli.app import run  # noqa: PLC0415

        return run()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
            raise
        sys.stderr.write(f"cheatwatch: {error.name} is not installed: install touchline[cheatwatch]\n")
        return USER_ERROR


if __name__ == "__main__":
    main()
