"""The doctor tries every command that the stores use."""

import re
from pathlib import Path

from touchline_server.doctor.probes.redis import TRIED
from touchline_server.store import redis

CALLED = re.compile(r"redis\.p?call\('(\w+)'")


def test_every_command_of_a_script_is_tried() -> None:
    folder = Path(redis.__file__).parent
    called = {name for path in folder.rglob("*.py") for name in CALLED.findall(path.read_text("utf-8"))}
    assert called
    assert called <= {line.split()[0] for line in TRIED}
