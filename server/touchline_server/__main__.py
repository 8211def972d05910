"""The command ``touchline``. Its exit codes: `cli.exit_codes`."""

import sys

from touchline_cli.start import note_signals, start

SERVERS = ("serve", "keeper")
"""Commands that a signal stops in order, or has reload."""


def main() -> None:
    """Run the command line and exit."""
    start(_run)


def _run() -> int:
    is_server = sys.argv[1:2] and sys.argv[1] in SERVERS
    if is_server:
        note_signals()  # importing takes a second or more, and SIGHUP right after a start means a reload
    # Imported here because the SDK installs this command too, without the libraries that it needs, and because Ctrl-C
    # must be quiet while they are imported.
    from touchline_cli.missing_library import missing_library  # noqa: PLC0415
    from touchline_server.cli.exit_codes import fail  # noqa: PLC0415

    try:
        if is_server:
            from touchline_server.server_log.quick_structlog import import_structlog  # noqa: PLC0415

            import_structlog()
        from touchline_server.cli.app import run  # noqa: PLC0415

        return run()
    except ModuleNotFoundError as error:
        return fail(missing_library(error, "server"))


if __name__ == "__main__":
    main()
