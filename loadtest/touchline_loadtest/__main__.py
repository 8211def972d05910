"""``python -m touchline_loadtest``. Its exit codes: `cli.exit_codes`."""

import sys

from touchline_cli.start import start


def main() -> None:
    """Run the command line and exit."""
    start(_run)


def _run() -> int:
    from touchline_cli.missing_library import missing_library  # noqa: PLC0415 - anything may be missing

    try:
        from touchline_loadtest.cli.app import run  # noqa: PLC0415

        return run()
    except ModuleNotFoundError as error:
        sys.stderr.write(f"touchline_loadtest: {missing_library(error, 'loadtest')}\n")
        return 2


if __name__ == "__main__":
    main()
