"""Every epoch in the documents has the parts that a server's epochs have, so that nobody designs for fewer."""

import re
from pathlib import Path

import pytest

from touchline_server.core.rooms.partition_window import PartitionWindow

PROTOCOL = Path(__file__).parents[2] / "protocol"
WRITTEN = PartitionWindow("score-events", "Kx3", 0, 0).epoch
"""An epoch as a server writes it. ``Kx3`` stands for a topic in the examples, ``Lq9`` for the one after it."""

DOCUMENTS = [
    path
    for path in sorted(PROTOCOL.rglob("*"))
    if path.suffix in {".json", ".md", ".yaml"} and re.search(r"\b(?:Kx3|Lq9)-", path.read_text("utf-8"))
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_epoch_in_a_document_has_the_parts_of_a_servers(path: Path) -> None:
    examples = re.findall(r"\b(?:Kx3|Lq9)(?:-\d+)+", path.read_text("utf-8"))
    assert {example.count("-") for example in examples} == {WRITTEN.count("-")}, set(examples)


def test_the_documents_that_show_epochs_are_found() -> None:
    assert {path.name for path in DOCUMENTS} >= {"README.md", "asyncapi.yaml", "cursors.json", "event-stream.json"}
