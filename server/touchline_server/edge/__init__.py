"""The edge: a thin shell of sockets around `touchline_server.core`. It decides nothing.

`server` accepts and drains, `connection` is one client, `handshake` and `event_stream` answer its request, `driver`
performs the core's effects and keeps its time, `replayer` reads for it, and `appender` appends players' actions.
"""
