"""The configuration file that all edges and keepers of a run share."""

from .topics import RunTopics

# The users share the machine with the edge: one that is kept waiting for a core says hello late. All clients of a swarm
# share one token.
CONFIG = """\
heartbeat_s = 10.0
handshake_timeout_s = 30.0
{drain}[auth]
mode = "token"
hs256_secret = "{secret}"
[players]
connections_max = 1000000
[actions]
topic = "{actions}"
[verdicts]
topic = "{verdicts}"
"""
REDIS = """\
[redis]
url = "{url}"
prefix = "{prefix}"
"""


def server_config(topics: RunTopics, secret: str, *, redis_url: str | None = None, drain_s: float | None = None) -> str:
    """The file's text, in TOML. Edges drain over ``drain_s``; None leaves that to them."""
    drain = "" if drain_s is None else f"drain_s = {drain_s:g}\n"
    feeds = "".join(f'[feeds.{feed}]\ntopic = "{topic}"\n' for feed, topic in topics.feeds.items())
    # The group of keepers has the prefix in its name, and the broker may be somebody else's.
    redis = "" if redis_url is None else REDIS.format(url=redis_url, prefix=topics.prefix)
    return CONFIG.format(secret=secret, drain=drain, actions=topics.actions, verdicts=topics.verdicts) + redis + feeds
