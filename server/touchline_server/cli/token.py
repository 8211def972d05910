"""``touchline token``: a token for development."""

import time
from pathlib import Path
from typing import Annotated

import typer

from touchline_cli.output import write_line
from touchline_protocol.actions import is_player
from touchline_protocol.errors import OperatorError
from touchline_protocol.limits import TOKEN_CHARS_MAX
from touchline_server.auth.signing import SigningKey, player_claims, sign, signing_key_of_file, signing_secret
from touchline_server.config.loading import load_settings
from touchline_server.config.tables import AuthSettings
from touchline_server.core.players.grants import PATTERNS_MAX

from .options import ConfigOption

MINUTES_MAX = 365 * 24 * 60
"""A year. A token cannot be revoked before it expires."""


def token(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help="The player's id, e.g. alice.")],
    rooms: Annotated[
        list[str], typer.Option(metavar="PATTERN", help="Rooms to watch, e.g. 'match:*'. Can be repeated.")
    ] = ["*"],  # noqa: B006 - typer reads it and copies it
    act: Annotated[
        list[str], typer.Option(metavar="PATTERN", help="Rooms to act in, e.g. 'match:7'. Can be repeated.")
    ] = ["*"],  # noqa: B006
    members: Annotated[
        list[str],
        typer.Option(metavar="PATTERN", help="Rooms whose players it may see, e.g. 'match:7'. Can be repeated."),
    ] = [],  # noqa: B006
    minutes: Annotated[float, typer.Option(min=0, max=MINUTES_MAX, help="How long the token is valid.")] = 60.0,
    key_file: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Sign with this private key instead of auth.hs256_secret.")
    ] = None,
    kid: Annotated[str | None, typer.Option(help="The name of the key in the server's key set, if it has one.")] = None,
    config: ConfigOption = None,
) -> None:
    """Create a token for development and print it.

    It is signed with auth.hs256_secret and has the audience and issuer of the configuration.
    """
    auth = load_settings(config).auth
    if not is_player(player):
        raise OperatorError(f"{player[:80]!r} is not a valid player id: 1 to 128 bytes, printable, without spaces")
    for option, patterns in (("--rooms", rooms), ("--act", act), ("--members", members)):
        if len(patterns) > PATTERNS_MAX:
            raise OperatorError(f"{option} was given {len(patterns)} times; a token can have at most {PATTERNS_MAX}")
    now_s, life_s = int(time.time()), round(minutes * 60)
    claims = player_claims(auth, player, rooms=rooms, act=act, members=members, now_s=now_s, life_s=life_s)
    signed = sign(claims, _key(auth, key_file, kid))
    if len(signed) > TOKEN_CHARS_MAX:
        raise OperatorError(f"the token would have {len(signed)} characters; servers accept {TOKEN_CHARS_MAX}")
    write_line(signed.encode())


def _key(auth: AuthSettings, file: Path | None, kid: str | None) -> SigningKey:
    if file is not None:
        return signing_key_of_file(file, kid)
    if auth.hs256_secret is None:
        raise OperatorError(
            "there is no secret to sign with: set TOUCHLINE_AUTH__HS256_SECRET, or hs256_secret in [auth] of the "
            "configuration, to 32 bytes or more, or pass a private key with --key-file"
        )
    return signing_secret(auth.hs256_secret, kid)
