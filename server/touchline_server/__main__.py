"""The command ``touchline``.

Exit codes: 0 done (also a server that was told to stop, and a tail whose reader has read enough), 1 a mistake of
ours, with a traceback, 2 something the user can mend, in one line on stderr, 130 interrupted by Ctrl-C.
"""

import sys

USER_ERROR = 2

OUR_PACKAGES = frozenset({"touchline", "touchline_protocol", "touchline_server"})


def main() -> None:
    """Run the command line and exit."""
    try:
        # Not above: the SDK is installed without the libraries that this needs, and the command is there all the same.
        from touchline_server.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
            raise
        sys.stderr.write(f"touchline: {error.name} is not installed: install touchline[server]\n")
        sys.exit(USER_ERROR)
    sys.exit(run())


if __name__ == "__main__":
    main()
