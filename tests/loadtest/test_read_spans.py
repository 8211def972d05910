"""`ReadSpans` knows exactly when the first and the last client had an event, however reads cut the events."""

from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.checks.read_spans import ReadSpans

SIZE = 10
ENDS = [SIZE, 2 * SIZE, 3 * SIZE]


def test_clients_that_read_one_event_at_a_time() -> None:
    spans = ReadSpans()
    for now_ns, (before, after) in enumerate([(0, 10), (0, 10), (10, 20), (10, 20)], 1):
        spans.note(before, after, now_ns)
    assert spans.crossings(ENDS) == ([1, 3, 0], [2, 4, 0], [2, 2, 0])


@given(st.lists(st.lists(st.integers(1, 3 * SIZE - 1), unique=True), min_size=1, max_size=5))
def test_times_are_exact_however_reads_are_cut(cuts: list[list[int]]) -> None:
    """Against a model that stores when each client passed each end."""
    reads = [
        (client, before, after)
        for client, places in enumerate(cuts)
        for before, after in zip([0, *sorted(places)], [*sorted(places), 3 * SIZE], strict=True)
    ]
    reads.sort(key=lambda read: read[2])
    spans = ReadSpans()
    passed: list[list[int]] = [[] for _ in ENDS]
    for now_ns, (_, before, after) in enumerate(reads, 1):
        spans.note(before, after, now_ns)
        for index, end in enumerate(ENDS):
            if before < end <= after:
                passed[index].append(now_ns)
    found = spans.crossings(ENDS)
    assert found.first_ns == [min(times) for times in passed]
    assert found.last_ns == [max(times) for times in passed]
    assert found.clients == [len(cuts)] * 3
