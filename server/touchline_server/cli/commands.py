"""The commands of ``touchline``: what each is called, where it is implemented, and which extra it needs.

A command's module is imported only when that command runs, so ``touchline --help`` and the small commands start fast.
This module therefore imports nothing heavy.

Other packages add commands through the entry-point group `EXTENSION_GROUP`. Each entry point names a mapping like
`COMMANDS`. That is how the demo adds its own: the server does not know it.
"""

from collections.abc import Mapping

from touchline_cli.lazy_commands import CommandSpec

EXTENSION_GROUP = "touchline.commands"


COMMANDS: Mapping[str, CommandSpec] = {
    "serve": CommandSpec("touchline_server.cli.serve:serve", "Serve the rooms of a log to WebSocket clients."),
    "keeper": CommandSpec("touchline_server.cli.keeper:keeper", "Write the state of rooms to Redis."),
    "publish": CommandSpec("touchline_server.cli.publish:publish", "Publish one event and print its position."),
    "tail": CommandSpec("touchline_server.cli.tail:tail", "Print a room's events as they happen."),
    "topics": CommandSpec(
        "touchline_server.cli.topics.command:topics", "List or create the topics that a server needs."
    ),
    "doctor": CommandSpec(
        "touchline_server.cli.doctor:doctor", "Check a configuration against Kafka, Redis and this machine."
    ),
    "salvage": CommandSpec(
        "touchline_server.cli.salvage:salvage", "Save what can be read of a damaged embedded log in a new file."
    ),
    "token": CommandSpec("touchline_server.cli.token:token", "Create a token for development and print it."),
}


def extension_commands() -> dict[str, CommandSpec]:
    """The commands that installed packages add. Importing the metadata reader takes 40 ms: call it only if needed."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - see above

    commands: dict[str, CommandSpec] = {}
    for entry_point in entry_points(group=EXTENSION_GROUP):
        commands.update(entry_point.load())
    return commands
