"""Joins what workers tell besides metrics: the busiest of all rooms, the slowest of all clients. Pure."""

from collections.abc import Iterable, Mapping

from .status import CLOSES_MAX, ROOMS_MAX, SLOW_CLIENTS_MAX, PartitionStatus, RoomStatus, WorkerDetails


def join_details(details: Mapping[str, WorkerDetails]) -> WorkerDetails:
    """The details of all workers, by name, as one. Clients and ends of connections get the name of their worker."""
    for worker, each in details.items():
        for client in each.slow_clients:
            client.worker = worker
        for close in each.closes:
            close.worker = worker
    slow = [client for each in details.values() for client in each.slow_clients]
    closes = [close for each in details.values() for close in each.closes]
    return WorkerDetails(
        _busiest(room for each in details.values() for room in each.rooms),
        sorted(slow, key=lambda client: -client.behind_s)[:SLOW_CLIENTS_MAX],
        sorted(closes, key=lambda close: -close.at_ms)[:CLOSES_MAX],
        _furthest_behind(partition for each in details.values() for partition in each.partitions),
    )


def _busiest(rooms: Iterable[RoomStatus]) -> list[RoomStatus]:
    found: dict[str, RoomStatus] = {}
    for room in rooms:
        known = found.setdefault(room.room, RoomStatus(room.room, 0, room.head, room.newest_ms))
        known.clients += room.clients
        known.head, known.newest_ms = max(known.head, room.head), max(known.newest_ms, room.newest_ms)
    return sorted(found.values(), key=lambda room: -room.clients)[:ROOMS_MAX]


def _furthest_behind(partitions: Iterable[PartitionStatus]) -> list[PartitionStatus]:
    """Each partition as the worker sees it that is furthest behind there."""
    found: dict[tuple[str, int], PartitionStatus] = {}
    for each in partitions:
        known = found.get((each.topic, each.partition))
        if known is None or (each.lag, each.answer_age_s) > (known.lag, known.answer_age_s):
            found[each.topic, each.partition] = each
    return [found[where] for where in sorted(found)]
