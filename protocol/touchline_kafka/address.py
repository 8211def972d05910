"""The addresses of Kafka brokers: ``kafka://host:port,host:port``.

Pure: knows no Kafka client.
"""

from touchline_protocol.errors import OperatorError

SCHEME = "kafka://"
PORT_MAX = 0xFFFF


def servers_of(url: str) -> list[str]:
    """The ``host:port`` of each broker that ``url`` names.

    Raises:
        OperatorError: ``url`` is not a Kafka address.
    """
    if "@" in url:
        raise OperatorError(
            "the address of Kafka has a user or a password in it: write kafka://host:port,host:port, and pass them as "
            "sasl_username and sasl_password"
        )
    if not url.startswith(SCHEME):
        raise OperatorError(f"{url!r} is not a Kafka address: write kafka://host:port,host:port")
    if "?" in url:
        raise OperatorError(f"{url!r} has a query: write kafka://host:port,host:port, and set options in [kafka]")
    servers = [server.strip() for server in url.removeprefix(SCHEME).rstrip("/").split(",")]
    for server in servers:
        if not _is_server(server):
            raise OperatorError(
                f"{server!r} in {url!r} is not the address of a Kafka broker: write kafka://host:port,host:port"
            )
    return servers


def _is_server(server: str) -> bool:
    host, colon, port = server.rpartition(":")
    if not (host and colon and port.isdecimal()) or "/" in server:
        return False
    return 0 < int(port) <= PORT_MAX
