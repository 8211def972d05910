"""Which partition a key belongs to. Pure."""

from aiokafka.partitioner import murmur2

_POSITIVE = 0x7FFF_FFFF
"""Kafka drops the sign of a hash with this mask, where others would take the absolute value."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, of that many, that a key belongs to: the choice of Java's default partitioner and most others."""
    hashed: int = murmur2(key)
    return (hashed & _POSITIVE) % partitions
