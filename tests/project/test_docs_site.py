"""`make docs` builds the site: every page is there, and every link and anchor leads somewhere."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_the_site_is_built_without_a_broken_link() -> None:
    built = subprocess.run(["make", "docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    for page in ("index.html", "docs/guides/game.html", "protocol/index.html", "docs/security.html"):
        text = (ROOT / ".cache/docs/site" / page).read_text("utf-8")
        assert "http://fonts." not in text
        assert "https://fonts." not in text
