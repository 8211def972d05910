"""The command ``cheatwatch``. Its exit codes are in `exit_codes`; 0 is also that of a watch that was asked to stop."""

import sys

from touchline_cheatwatch.exit_codes import USER_ERROR

OUR_PACKAGES = frozenset({"touchline", "touchline_protocol", "touchline_cheatwatch"})


def main() -> None:
    """Run the command line and exit."""
    try:
        # Not at the top: the command is installed with the SDK, but the libraries that it needs may be missing.
        from touchline_cheatwatch.cli.app import run  # noqa: PLC0415

        code = run()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
            raise
        sys.stderr.write(f"cheatwatch: {error.name} is not installed: install touchline[cheatwatch]\n")
        sys.exit(USER_ERROR)
    sys.exit(code)


if __name__ == "__main__":
    main()
