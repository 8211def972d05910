"""The table of commands, which the entry point ``touchline.commands`` names. Imports nothing heavy."""

from collections.abc import Mapping

from touchline_cli.lazy_commands import CommandSpec

COMMANDS: Mapping[str, CommandSpec] = {
    "demo": CommandSpec("touchline_demo.cli.demo:demo", "Serve a page with live matches, a game, and bots.", "demo"),
    "replay": CommandSpec("touchline_demo.cli.replay:replay", "Publish a recorded match as it was played.", "demo"),
    "simulate": CommandSpec("touchline_demo.cli.simulate:simulate", "Publish invented matches.", "demo"),
}
