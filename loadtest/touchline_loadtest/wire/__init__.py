"""The client's side of the wire, written by hand so that one core can hold thousands of clients.

Pure: bytes in, bytes out.
"""
