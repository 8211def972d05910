"""The command-line options. Each also has an environment variable, and the web page has a field for most."""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from touchline_loadtest.clients.room_choice import POPULARITY_MAX, parse_range, parse_rooms
from touchline_loadtest.locust.behaviour.cheats import CHEATS, check_cheats
from touchline_loadtest.locust.results.thresholds import check_threshold
from touchline_loadtest.locust.shapes.choice import schedule_named
from touchline_loadtest.locust.shapes.schedule import CUT_BY
from touchline_loadtest.locust.shapes.schedules import SCHEDULES
from touchline_protocol.errors import OperatorError

NO_NUMBER = "none"
"""The value of ``--action-number`` that leaves actions as they are."""

DAY_S = 86_400.0
ACTS_HZ_MAX = 1_000.0
"""Far beyond the fastest fingers, and all bots."""

RECORDED = (
    "host",
    "num_users",
    "spawn_rate",
    "run_time",
    "shape",
    "rooms",
    "room_popularity",
    "rooms_per_user",
    "stay",
    "away",
    "acts_per_s",
    "cheats",
    "codec",
    "publish_time",
    "record_share",
)
"""The options that say what a run was, for its run folder."""


def add_options(parser: LocustArgumentParser, **_: object) -> None:
    """Add the options to Locust's own. The listener of ``init_command_line_parser``."""
    group = parser.add_argument_group("Touchline", "What the users of touchline_loadtest do. Options win over classes.")

    option = partial(_add_option, group)
    _add_behaviour(option)
    _add_connection(option)
    _add_result(option)


def _add_option(
    group: Any, name: str, help_text: str, *, secret: bool = False, web: bool = True, **settings: Any
) -> None:
    variable = "LOCUST_" + name.removeprefix("--").replace("-", "_").upper()
    action = group.add_argument(name, help=help_text, env_var=variable, **settings)
    action.include_in_web_ui = web  # Locust sets these for arguments outside of groups
    action.is_secret = secret


def _add_behaviour(option: Callable[..., None]) -> None:
    option(
        "--rooms",
        "Rooms: score:1,score:2 or score:1..50; the first is the most popular.",
        type=_check(parse_rooms),
    )
    option("--room-popularity", "Exponent of Zipf's law for rooms; 0 for all alike.", type=_number(0, POPULARITY_MAX))
    option("--rooms-per-user", "How many rooms a fan watches at once: 1-5.", type=_check(parse_range))
    option("--stay", "How many seconds a visit lasts, typically.", type=_number(0, DAY_S))
    option("--away", "How many seconds a fan stays away before coming back, typically.", type=_number(0, DAY_S))
    option("--acts-per-s", "How often a player acts, per second on average.", type=_number(0.001, ACTS_HZ_MAX))
    option("--action-kind", "The kind of players' actions.")
    option("--action-data", "The data of players' actions, as JSON.")
    option(
        "--action-number",
        f"Field that numbers a player's actions in a recorded run; {NO_NUMBER} if their schema has no place for it.",
        metavar="FIELD",
    )
    option("--cheats", f"Bots that cheaters act like: {', '.join(CHEATS)}.", type=_check(check_cheats))
    option(
        "--shape", f"How users arrive and what they live through: {', '.join(SCHEDULES)}.", type=_check(schedule_named)
    )
    option(
        "--cut-by",
        "Where connections are cut: at the users, or in the network in front of the servers.",
        choices=CUT_BY,
    )


def _add_connection(option: Callable[..., None]) -> None:
    option("--codec", "json or msgpack.", choices=("json", "msgpack"))
    option(
        "--answer-s-max",
        "Seconds without an answer, or without events, that are a failure.",
        type=_number(0.1, DAY_S),
    )
    option("--publish-time", "Field of the data with the publish time in Unix ns; ts by default.", metavar="FIELD")
    option("--token-secret", "The server's auth.hs256_secret, to sign players' tokens with.", secret=True)
    option("--token-audience", "The audience (aud) of tokens.")
    option("--token-issuer", "The issuer (iss) of tokens.")


def _add_result(option: Callable[..., None]) -> None:
    option("--run-folder", "Folder to record the run in, for the report and the checker.", metavar="DIR")
    option(
        "--record-share",
        "Share of users whose traces are recorded there, 0 to 1; all by default.",
        type=_number(0, 1),
    )
    option(
        "--fail-above",
        "A threshold, such as event.p99=50 or failures=0. Can be repeated; the exit status is 1 if one is not met.",
        type=_check(check_threshold),
        action="append",
        metavar="NAME.QUANTILE=MS",
        web=False,
    )


def given(environment: Environment, name: str) -> Any:
    """The option's value; None if it was not given."""
    options: Namespace | None = environment.parsed_options
    value = getattr(options, name, None)
    return None if value == "" else value  # the web page sends an empty field


def _check(parse: Callable[[str], object]) -> Callable[[str], str]:
    """Accepts what ``parse`` accepts, and keeps the text: options travel from a master to its workers."""

    def check(text: str) -> str:
        try:
            if text:
                parse(text)
        except OperatorError as error:
            raise ArgumentTypeError(str(error)) from None
        return text

    return check


def _number(least: float, most: float) -> Callable[[str], float]:
    """Accepts a number within these bounds, which nan is not."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return number
