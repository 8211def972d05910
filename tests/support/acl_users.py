"""Users of Redis's ACL with exactly the rules of docs/fleet.md."""

import re
from pathlib import Path

from support.redis_kinds import cli
from support.redis_server import RedisServer

PAGE = Path(__file__).parents[2] / "docs/fleet.md"
PASSWORD = "secret"
EDGE, KEEPER = "touchline-edge", "touchline-keeper"


def documented_rules(user: str, *, cluster: bool = False) -> list[str]:
    """The rules of a user: its keys, then its commands in their order."""
    rows = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.replace(r"\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[0].split(",")[0] in ("keys", "commands", "in a Cluster"):
            rows[cells[0].split(",")[0]] = cells[1 if user == EDGE else 2].strip("`").split()
    return [*rows["keys"], *rows["commands"], *(rows["in a Cluster"] if cluster else [])]


def set_user(server: RedisServer, user: str, *, cluster: bool = False, keys: str | None = None) -> str:
    """Create a user in this server; returns its address. ``keys`` replaces what the page says."""
    rules = documented_rules(user, cluster=cluster)
    if keys is not None:
        rules[0] = keys
    answer = cli(server.port, "acl", "setuser", user, "reset", "on", f">{PASSWORD}", *rules)
    assert answer.strip() == "OK", answer
    return server.url.replace("://", f"://{user}:{PASSWORD}@")


def denials(server: RedisServer) -> str:
    """What users were denied."""
    return cli(server.port, "acl", "log").strip()
