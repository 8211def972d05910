"""The memory that this process may use, on the machine or in a container."""

from pathlib import Path

from touchline_server.node.memory import memory_bytes


def test_a_container_has_its_own_limit(tmp_path: Path) -> None:
    whole = memory_bytes(())
    assert whole > 1 << 20
    limit = tmp_path / "memory.max"
    for text, expected in (("1048576\n", 1 << 20), ("max\n", whole), (f"{1 << 62}\n", whole)):
        limit.write_text(text)
        assert memory_bytes((tmp_path / "missing", limit)) == expected
