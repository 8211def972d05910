"""Touchline's protocol: messages, codecs, frames, codes, limits, room names, cursors, and the records in the log.

It depends on msgspec alone and knows nothing of sockets, logs or clocks. The server and the SDK both build on it.
"""
