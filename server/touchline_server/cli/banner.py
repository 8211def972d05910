"""What ``touchline serve`` prints once it is running."""

from touchline_protocol.loopback import is_loopback
from touchline_protocol.printable import counted, without_credentials
from touchline_protocol.version import __version__
from touchline_server.config.drain import drain_time_s
from touchline_server.config.settings import Settings


def server_banner(
    settings: Settings, *, websocket_url: str, control_url: str, can_act: bool, workers: int = 1
) -> list[str]:
    """What an operator wants to know about a server that has started.

    ``can_act``: whether the server has a key to check tokens with.
    """
    lines = [f"touchline {__version__}, edge {settings.edge_name}", f"log        {settings.log}"]
    if "log" not in settings.model_fields_set:
        lines.append("           the embedded log, because none was given; --log kafka://host:port reads from Kafka")
    if settings.log.startswith("kafka:"):
        lines += _state(settings)
    if workers > 1:
        each = counted(settings.connections_max, "connection")
        lines.append(f"workers    {workers} processes on one port, with up to {each} each")
    lines += _access(settings, can_act=can_act)
    lines += [_stopping(settings), f"WebSocket  {websocket_url}", f"control    {control_url}"]
    return lines


def _state(settings: Settings) -> list[str]:
    """Where the state of rooms comes from that is older than the window, and what else is in Redis."""
    url = settings.redis.url
    if url is None:
        return [f"           the state of rooms is read back from it, as far as {settings.state_s:g} s (state_s)"]
    records = [f"           who is where is recorded in {settings.presence.topic}"] if settings.presence.records else []
    shared = "the state of rooms (by touchline keeper), presence and players"
    return [*records, f"redis      {without_credentials(url)}", f"           {shared}, shared by all edges"]


def _stopping(settings: Settings) -> str:
    """How long a stop takes, which is what a supervisor must grant."""
    drain_s = drain_time_s(settings.drain_s, settings.connections_max)
    drain = f"drain_s {settings.drain_s}, {drain_s:.0f} s with {counted(settings.connections_max, 'connection')}"
    if settings.drain_grace_s:
        drain = f"drain_grace_s {settings.drain_grace_s:g}, {drain}"
    return f"stopping   within {settings.stop_s:.0f} s of SIGTERM ({drain}), at once with a second SIGTERM"


def _access(settings: Settings, *, can_act: bool) -> list[str]:
    """What clients may do, and on what condition."""
    anybody = "this machine" if is_loopback(settings.control_host) else "anybody who reaches control_host"
    mode = settings.auth.mode
    no_key = "nobody: [auth] has no secret and no key to check tokens with"
    return [
        f"watching   {'with a token' if mode == 'token' else 'everybody'} (auth.mode {mode})",
        f"acting     {'with a token' if can_act else no_key}",
        f"publishing {'with one of api_keys' if settings.publish_needs_key else f'{anybody}, without a key'}",
    ]
