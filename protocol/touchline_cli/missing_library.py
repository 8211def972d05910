"""What a command says about a library that is not installed. Imports nothing, since anything may be missing."""

OUR_PACKAGES = frozenset(
    {
        "touchline",
        "touchline_cheatwatch",
        "touchline_cli",
        "touchline_demo",
        "touchline_kafka",
        "touchline_loadtest",
        "touchline_protocol",
        "touchline_server",
    }
)


def missing_library(error: ModuleNotFoundError, extra: str) -> str:
    """What to tell the user about a library that is not installed. ``extra`` is the one that brings it.

    Raises:
        ModuleNotFoundError: the module is one of ours, so installing something does not help.
    """
    if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
        raise error
    return f"{error.name} is not installed: install touchline[{extra}]"
