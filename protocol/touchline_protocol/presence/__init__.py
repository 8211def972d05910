"""Presence outside of messages to clients: the records that back ends read."""
