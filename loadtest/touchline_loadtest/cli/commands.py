"""The table of commands. Imports nothing heavy: a command's module is imported when the command runs."""

from collections.abc import Mapping

from touchline_cli.lazy_commands import CommandSpec

EXTRA = "loadtest"
"""The extra that brings all that these commands need."""

COMMANDS: Mapping[str, CommandSpec] = {
    "bench": CommandSpec("touchline_loadtest.cli.bench:bench", "Measure Touchline on this machine.", EXTRA),
    "feed": CommandSpec("touchline_loadtest.cli.feed:feed", "Publish a feed of realistic size and pace.", EXTRA),
    "swarm": CommandSpec("touchline_loadtest.cli.swarm:swarm", "Load servers with clients that receive.", EXTRA),
    "profile": CommandSpec("touchline_loadtest.cli.feed:profile", "Derive the statistics of recorded matches.", EXTRA),
    "plan": CommandSpec(
        "touchline_loadtest.cli.plan:plan", "Say how many edges an audience needs, and which limit binds first.", EXTRA
    ),
    "costs": CommandSpec(
        "touchline_loadtest.cli.costs:costs", "Measure on this machine what a plan is made from.", EXTRA
    ),
    "peers": CommandSpec("touchline_loadtest.cli.peers:peers", "Compare Touchline with other servers.", EXTRA),
    "check": CommandSpec(
        "touchline_loadtest.cli.check:check", "Compare what clients saw and did with what the log held.", EXTRA
    ),
    "avalanche": CommandSpec(
        "touchline_loadtest.cli.avalanche:avalanche", "Break connections of Touchline's clients and its peers'.", EXTRA
    ),
    "many-rooms": CommandSpec(
        "touchline_loadtest.cli.many_rooms:many_rooms", "Compare Touchline and its peers in very many rooms.", EXTRA
    ),
    "report": CommandSpec("touchline_loadtest.cli.report:report", "Write a page about a run, with charts.", EXTRA),
    "run": CommandSpec("touchline_loadtest.cli.run:run", "Load-test Touchline with Locust and Kafka.", EXTRA),
}
