"""Processes of tests do not use settings of the developer's shell."""

import os
import signal
from pathlib import Path

import pytest

from support.processes import EdgeProcess, touchline_command
from touchline_loadtest.free_ports import free_ports


async def test_processes_do_not_take_the_settings_of_the_developers_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TOUCHLINE_AUTH__HS256_SECRET", "short")  # with it no command could run
    assert "exists" in await touchline_command("topics", "--create", "--log", f"sqlite://{tmp_path / 'log.db'}")
    config = tmp_path / "touchline.toml"
    config.write_text("drain_s = 0")
    port, control_port = free_ports(2)
    edge = EdgeProcess("edge", "sqlite://", config, (port, control_port))
    await edge.start()
    assert await edge.stop(signal.SIGTERM) == 0
