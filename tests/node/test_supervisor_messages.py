"""What a supervisor and its workers say to each other: cut into messages wherever the bytes are cut, and bounded."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.messages import Verdict
from touchline_server.control.backend import Readiness, RoomState, StateEvent
from touchline_server.control.status import CloseStatus, PartitionStatus, RoomStatus, SlowClient, WorkerDetails
from touchline_server.metrics.snapshot import Sample
from touchline_server.node.supervisor import messages
from touchline_server.node.supervisor.messages import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    Beat,
    Closed,
    CountMembers,
    Details,
    Failed,
    Members,
    MessageTooLarge,
    Metrics,
    Order,
    ReadDetails,
    ReadMetrics,
    ReadRoom,
    ReadVerdict,
    Refused,
    Reload,
    Reloaded,
    Report,
    Room,
    Serving,
    Standing,
    Start,
    StopServing,
    encode,
    orders,
    reports,
)
from touchline_server.node.supervisor.requests import REQUESTS_MAX, PendingRequests, TooManyRequests

ORDERS: list[Order] = [
    Start("edge-1/2", "::1", 8080, b"settings", {"connections_max": "few files"}),
    Reload(7, b"settings", {}),
    CountMembers(8, "score:1"),
    ReadRoom(9, "score:1"),
    ReadMetrics(10),
    ReadDetails(11),
    ReadVerdict(12, "ada"),
    StopServing(),
]
STATE = RoomState("epoch", 3, [StateEvent("score", 2, 5, b'{"home":1}')], 4, state_complete=False)
DETAILS = WorkerDetails(
    [RoomStatus("score:1", 3, 7, 1_700_000_000_000)],
    [SlowClient(5, "192.0.2.1:4000", None, 2.5, "score:1", 4, 65_536)],
    [CloseStatus(1_700_000_000_000, 4, "client", "normal", "ann", None)],
    [PartitionStatus("scores", 0, 2, 0.25)],
)
REPORTS: list[Report] = [
    Beat(Readiness({"edge": "starting"}, {"topic": "away"}, {"connections_max": "few files"})),
    Serving(),
    Closed(DETAILS.closes),
    Failed("the port is in use"),
    Members(1, 5),
    Room(2, STATE),
    Room(3, None),
    Metrics(6, {"taken_seconds": [Sample(("read",), 2.5, [1, 0, 3])]}),
    Details(7, DETAILS),
    Standing(8, True, Verdict("ban", "cheating", 1_700_000_000_000)),
    Standing(9, False, None),
    Reloaded(4),
    Refused(5, "the log is away"),
]


@given(cuts=st.lists(st.integers(1, 40)))
def test_messages_arrive_whole_and_in_order_however_their_bytes_are_cut(cuts: list[int]) -> None:
    pairs: list[tuple[Any, Sequence[Order | Report]]] = [(orders(), ORDERS), (reports(), REPORTS)]
    for reader, sent in pairs:
        data = b"".join(encode(message) for message in sent)
        received: list[object] = []
        for size in [*cuts, len(data)]:
            received += reader.feed(data[:size])
            data = data[size:]
        assert received == sent


def test_a_message_that_is_too_large_is_neither_sent_nor_waited_for() -> None:
    with pytest.raises(MessageTooLarge):
        encode(Failed("x" * (MESSAGE_BYTES_MAX + 1)))
    with pytest.raises(MessageTooLarge):
        list(reports().feed((MESSAGE_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big")))


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", msgspec.msgpack.encode({"type": "Unknown"}), encode(StopServing())[4:]]
)
def test_bytes_that_are_not_a_report_are_an_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        list(reports().feed(len(payload).to_bytes(LENGTH_BYTES, "big") + payload))


def test_every_message_is_tried_here() -> None:
    kinds = {each for each in vars(messages).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)}
    kinds = {kind for kind in kinds if kind.__module__ == messages.__name__}
    assert kinds == {type(each) for each in (*ORDERS, *REPORTS)}


def test_a_request_ends_once_by_its_answer_its_deadline_or_the_end_of_its_worker() -> None:
    requests: PendingRequests[str] = PendingRequests()
    answered, late, lost = requests.add("answered", 10.0), requests.add("late", 2.0), requests.add("lost", 10.0)
    assert len({answered, late, lost}) == 3
    assert requests.take(answered) == "answered"
    assert requests.take(answered) is None
    assert requests.expire(1.9) == []
    assert requests.expire(2.0) == ["late"]
    assert requests.take(late) is None
    assert requests.clear() == ["lost"]
    assert requests.take(lost) is None
    assert len(requests) == 0


def test_requests_are_bounded() -> None:
    requests: PendingRequests[int] = PendingRequests()
    first, *_ = (requests.add(number, 1.0) for number in range(REQUESTS_MAX))
    with pytest.raises(TooManyRequests):
        requests.add(-1, 1.0)
    requests.take(first)
    requests.add(-1, 1.0)
