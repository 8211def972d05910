"""What the metrics of one process are at one moment: plain data, which workers send to their supervisor on request."""

from typing import TypeAlias

import msgspec


class Sample(msgspec.Struct, array_like=True):
    """One value, under the values of its metric's labels, in order.

    Of a histogram ``value`` is the sum of what was observed, and ``buckets`` has the count of each bucket, the one
    without a bound last.
    """

    labels: tuple[str, ...]
    value: float
    buckets: list[int] = []


Snapshot: TypeAlias = dict[str, list[Sample]]
"""Samples by the name of their metric."""
