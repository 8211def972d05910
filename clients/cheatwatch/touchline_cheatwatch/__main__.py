"""The command ``cheatwatch``.

Exit codes: 0 done (also a watch that was told to stop), 1 a mistake of ours, with a traceback, 2 something the user can
mend, in one line on stderr, 3 an evaluation that found the rule set wanting.
"""

import sys

USER_ERROR = 2

OUR_PACKAGES = frozenset({"touchline", "touchline_protocol", "touchline_cheatwatch"})


def main() -> None:
    """Run the command line and exit."""
    try:
        # Not above: the SDK is installed without the libraries that this needs, and the command is there all the same.
        from touchline_cheatwatch.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
            raise
        sys.stderr.write(f"cheatwatch: {error.name} is not installed: install touchline[cheatwatch]\n")
        sys.exit(USER_ERROR)
    sys.exit(run())


if __name__ == "__main__":
    main()
