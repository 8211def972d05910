"""Tracing: where a message or a record belongs in a distributed trace."""
