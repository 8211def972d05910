"""Touchline's protocol: messages, codecs, frames, codes, limits, room names, cursors, and the records in the log.

Depends on msgspec alone; knows no socket, no log and no clock. The server and the SDK both stand on it.
"""
