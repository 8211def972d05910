"""A client that opens a WebSocket over HTTP/2 (RFC 8441), as browsers do where the server announces that it can.

It runs in the environment of the tools, .cache/deploy/venv, which has h2 and wsproto: http2_client.py PORT HOST CA. It
prints a line of JSON for what it has learned: the server's announcement, then the response, then each message.
"""

import json
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any

from h2.config import H2Configuration  # type: ignore[import-not-found]
from h2.connection import H2Connection  # type: ignore[import-not-found]
from h2.events import (  # type: ignore[import-not-found]
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

READ_BYTES = 65536
TIMEOUT_S = 30.0
SUBPROTOCOL = "touchline.v1.json"
HELLO = '{"type": "hello", "agent": "http2"}'
SUBSCRIBE = '{"type": "subscribe", "rooms": [{"room": "score:1"}]}'


def main(port: int, host: str, authority_file: str) -> None:
    """Connect, report whether WebSockets may be opened, open one if so, and print what arrives."""
    tls = ssl.create_default_context(cafile=authority_file)
    tls.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain,
        tls.wrap_socket(plain, server_hostname=host) as connected,
    ):
        http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        http.initiate_connection()
        connected.sendall(http.data_to_send())
        events = _events(http, connected)
        while not isinstance(next(events), RemoteSettingsChanged):
            pass
        announced = bool(http.remote_settings.enable_connect_protocol)
        _report(alpn=connected.selected_alpn_protocol(), announced=announced)
        if announced:
            _watch(http, connected, events, host)


def _watch(http: Any, connected: ssl.SSLSocket, events: Iterator[Any], host: str) -> None:
    """Open a WebSocket, subscribe to a room, and print each message until the server ends it."""
    stream = http.get_next_available_stream_id()
    head = {
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":scheme": "https",
        ":path": "/ws",
        ":authority": host,
        "origin": f"https://{host}",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": SUBPROTOCOL,
    }
    http.send_headers(stream, list(head.items()))
    connected.sendall(http.data_to_send())
    socket_frames = Connection(ConnectionType.CLIENT)
    text = ""
    for event in events:
        match event:
            case ResponseReceived():
                fields = dict(event.headers)
                _report(status=fields[":status"], subprotocol=fields.get("sec-websocket-protocol"))
                for message in (HELLO, SUBSCRIBE):
                    http.send_data(stream, socket_frames.send(TextMessage(message)))
            case DataReceived():
                http.acknowledge_received_data(event.flow_controlled_length, stream)
                socket_frames.receive_data(event.data)
                for received in socket_frames.events():
                    if isinstance(received, TextMessage):
                        text += received.data
                        if received.message_finished:
                            _print(text)
                            text = ""
            case StreamEnded() | StreamReset():
                return
        connected.sendall(http.data_to_send())


def _events(http: Any, connected: ssl.SSLSocket) -> Iterator[Any]:
    while data := connected.recv(READ_BYTES):
        events = http.receive_data(data)
        connected.sendall(http.data_to_send())
        yield from events


def _report(**learned: object) -> None:
    _print(json.dumps(learned))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
