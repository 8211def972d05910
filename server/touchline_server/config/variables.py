"""The environment variables that Touchline reads, by name. Light to import: the command line needs them at every start.

Every setting has a variable of its own too: `ENV_PREFIX` and the option's name in capitals, ``TOUCHLINE_PORT``.
"""

ENV_PREFIX = "TOUCHLINE_"

CONFIG_VARIABLE = "TOUCHLINE_CONFIG"
"""Path of the TOML file, unless a flag names it."""
API_KEY_VARIABLE = "TOUCHLINE_API_KEY"
"""The key that the command line publishes with. Not ``TOUCHLINE_API_KEYS``: those are the keys a server accepts."""
TOKEN_VARIABLE = "TOUCHLINE_TOKEN"  # noqa: S105 - a variable's name, not a token
"""The token that the command line watches with."""

OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, API_KEY_VARIABLE, TOKEN_VARIABLE, "TOUCHLINE_MATCH_DATA"})
"""Variables that have the prefix but are not settings. The tests look for recorded matches in the last one."""
