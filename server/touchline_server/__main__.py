"""The command ``touchline``. Its exit codes: `cli.exit_codes`."""

import sys

from touchline_server.cli.exit_codes import fail, missing_library


def main() -> None:
    """Run the command line and exit."""
    try:
        # Imported here because the SDK installs this command too, without the libraries that it needs.
        from touchline_server.cli.app import run  # noqa: PLC0415

        code = run()
    except ModuleNotFoundError as error:
        code = fail(missing_library(error, "server"))
    sys.exit(code)


if __name__ == "__main__":
    main()
