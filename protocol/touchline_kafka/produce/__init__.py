"""Appending records: ``producer`` takes them, a ``partition_writer`` for each partition sends them in batches.

``requests`` has what goes over the wire.
"""
