"""The options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ACTIONS_TOPIC = "player-actions"
VERDICTS_TOPIC = "cheat-verdicts"

LogOption: TypeAlias = Annotated[
    str, typer.Option("--log", metavar="URL", help="Kafka's address: kafka://host:port,host:port")
]
RulesOption: TypeAlias = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="The rule set, a TOML file. Default: the built-in one.")
]
VerdictsTopicOption: TypeAlias = Annotated[
    str, typer.Option("--verdicts-topic", metavar="TOPIC", help="The topic that verdicts are written to.")
]
