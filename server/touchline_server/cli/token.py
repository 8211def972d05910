"""``touchline token``: a token for development."""

import time
from pathlib import Path
from typing import Annotated

import typer

from touchline_protocol.actions import is_player
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import TOKEN_CHARS_MAX
from touchline_server.auth.signing import SigningKey, player_claims, sign, signing_key_of_file, signing_secret
from touchline_server.config.loading import load_settings
from touchline_server.config.tables import AuthSettings
from touchline_server.core.grants import PATTERNS_MAX

from .options import ConfigOption
from .output import write_line

MINUTES_MAX = 365 * 24 * 60
"""A year: a token cannot be called back before it ends."""


def token(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help="Whose token it is, as alice.")],
    rooms: Annotated[
        list[str], typer.Option(metavar="PATTERN", help="Rooms to watch, as 'match:*'; give it again for more.")
    ] = ["*"],  # noqa: B006 - typer reads it, and makes a list of its own
    act: Annotated[
        list[str], typer.Option(metavar="PATTERN", help="Rooms to act in, as 'match:7'; give it again for more.")
    ] = ["*"],  # noqa: B006
    minutes: Annotated[float, typer.Option(min=0, max=MINUTES_MAX, help="How long it is good for.")] = 60.0,
    key_file: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Sign with this private key, instead of auth.hs256_secret.")
    ] = None,
    kid: Annotated[str | None, typer.Option(help="The key's name, where a key set has it by that.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make a token for development, and print it.

    It is signed with auth.hs256_secret of the configuration, for its audience and issuer.
    """
    auth = load_settings(config).auth
    if not is_player(player):
        raise OperatorError(f"{player[:80]!r} cannot be a player's id: 1 to 128 bytes, printable, without spaces")
    for option, patterns in (("--rooms", rooms), ("--act", act)):
        if len(patterns) > PATTERNS_MAX:
            raise OperatorError(f"{option} was given {len(patterns)} times; a token has at most {PATTERNS_MAX} of them")
    now_s, life_s = int(time.time()), round(minutes * 60)
    claims = player_claims(auth, player, rooms=rooms, act=act, now_s=now_s, life_s=life_s)
    made = sign(claims, _key(auth, key_file, kid))
    if len(made) > TOKEN_CHARS_MAX:
        raise OperatorError(f"the token would have {len(made)} characters, and servers take {TOKEN_CHARS_MAX}")
    write_line(made.encode())


def _key(auth: AuthSettings, file: Path | None, kid: str | None) -> SigningKey:
    if file is not None:
        return signing_key_of_file(file, kid)
    if auth.hs256_secret is None:
        raise OperatorError(
            "there is no secret to sign with: set TOUCHLINE_AUTH__HS256_SECRET, or hs256_secret in [auth] of the "
            "configuration, to 32 bytes or more, or give a private key with --key-file"
        )
    return signing_secret(auth.hs256_secret, kid)
