"""Write docs/openapi.json, the reference of the control plane, from the code."""

import json
from pathlib import Path

from touchline_server.control.openapi import document

(Path(__file__).parents[1] / "docs" / "openapi.json").write_text(
    json.dumps(document(), indent=2, ensure_ascii=False) + "\n", "utf-8"
)
