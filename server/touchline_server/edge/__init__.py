"""The edge: sockets. A thin shell around `touchline_server.core`; it decides nothing about rooms or order.

`listener` accepts and keeps time, `handshake` says who may in, `connection` is one client, `turns` writes what the hub
has to send, `replayer` brings clients what only the log holds.
"""
