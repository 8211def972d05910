"""The results as rows: every peer has one, whatever became of it."""

from pathlib import Path

import msgspec
import pytest

from touchline_loadtest.peers.fan_out.results import Numbers, PeerResult, Sizes
from touchline_loadtest.peers.fan_out.tables import as_markdown, better_than_ours, document, summary
from touchline_loadtest.peers.sections import with_section
from touchline_protocol.errors import OperatorError

ROOT = Path(__file__).parents[3]
NUMBERS = Numbers(
    cpu_us=1.234,
    cpu_us_runs=[1.234],
    p50_ms=5,
    p99_ms=9.96,
    process_kib=4.2,
    kernel_kib=3,
    connects_per_s=4321.5,
    deliveries_per_s=750_000,
    stopped_by="p99 120 ms",
    wrong=0,
)
RESULTS = [
    PeerResult("fast", "1.2", "here", "defaults", NUMBERS, doubts=["NOT QUIET"]),
    PeerResult("slow", "3", "there", "tuned", msgspec.structs.replace(NUMBERS, deliveries_per_s=None)),
    PeerResult("absent", "", "there", "", missing="the registry does not have it"),
]


def test_markdown_has_a_row_and_the_remarks_of_each_peer() -> None:
    lines = as_markdown(RESULTS, Sizes()).splitlines()
    assert "| `fast` | 1.2 | 1.23 | 5.0 | 10.0 | 4.2 | 3.0 | 4,322 | 750,000 | 0 |" in lines
    assert "| `slow` | 3 | 1.23 | 5.0 | 10.0 | 4.2 | 3.0 | 4,322 | none | 0 |" in lines
    assert "| `absent` |  | not measured |  |  |  |  |  |  |  |" in lines
    assert "- `fast`: NOT QUIET" in lines
    assert "- `absent`: not measured: the registry does not have it" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_markdown_names_each_number_in_which_a_peer_is_better_than_ours() -> None:
    ours = PeerResult("touchline", "1", "here", "", NUMBERS)
    better = msgspec.structs.replace(
        NUMBERS, cpu_us=1.0, kernel_kib=1, p99_ms=9.6, deliveries_per_s=800_000, connects_per_s=100
    )
    with_kafka = PeerResult("touchline-kafka", "1", "here", "", better)
    lines = better_than_ours([PeerResult("fast", "1", "there", "", better), ours, with_kafka, *RESULTS])
    assert lines == ["- `fast`: CPU per delivery 1.00 against 1.23 us, most deliveries 800,000 against 750,000 /s"]
    assert lines[0] in as_markdown([PeerResult("fast", "1", "there", "", better), ours], Sizes())


def test_a_section_of_a_document_is_replaced() -> None:
    document_text = "# Title\n\n<!-- begin t -->\nold\n<!-- end t -->\nrest\n"
    replaced = with_section(document_text, "t", "new\n")
    assert replaced == "# Title\n\n<!-- begin t -->\n\nnew\n\n<!-- end t -->\nrest\n"
    assert with_section(replaced, "t", "new") == replaced
    assert with_section("", "t", "new") == "<!-- begin t -->\n\nnew\n\n<!-- end t -->\n"
    for name in ("other", ""):
        with pytest.raises(OperatorError):
            with_section(document_text, name, "new")


def test_the_document_has_a_place_for_each_table() -> None:
    text = (ROOT / "docs/comparison.md").read_text("utf-8")
    for name in ("fan-out", "avalanche", "many-rooms"):
        assert "THE TABLE" in with_section(text, name, "THE TABLE")


def test_a_run_has_a_group_for_each_peer() -> None:
    rows = summary(RESULTS)
    assert [row.measured for row in rows if row.group == "absent"] == ["the registry does not have it"]
    assert {row.what: row.measured for row in rows if row.group == "fast"}["most deliveries"] == 750_000
    assert "none passed" in [row.measured for row in rows if row.group == "slow"]


def test_json_has_everything() -> None:
    found = msgspec.json.decode(msgspec.json.encode(document(RESULTS, Sizes(), pinned=True)))
    assert found["pinned"]
    assert found["sizes"]["clients"] == 1000
    assert msgspec.convert(found["results"], list[PeerResult]) == RESULTS
