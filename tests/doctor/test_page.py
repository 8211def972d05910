"""The page about the doctor names every finding, and no other."""

import re
from pathlib import Path

from touchline_server.doctor import rules

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
FOUND = re.compile(r'(?:Finding\(\s*(?:Severity\.\w+|severity),|clock_finding\()\s*"(\w+)"')


def test_the_page_lists_the_codes_of_all_findings() -> None:
    folder = Path(rules.__file__).parent
    codes = {code for path in folder.glob("*.py") for code in FOUND.findall(path.read_text("utf-8"))}
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == codes
