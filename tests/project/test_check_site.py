"""The check that says when the demo's built site is stale, on a site of one file; and that a build is repeatable."""

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load() -> Any:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("check_site", ROOT / "scripts" / "check_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def check(tmp_path: Path) -> Any:
    """The script, for a site of one file that was built from one source."""
    module = load()
    source, site = tmp_path / "src", tmp_path / "site"
    for folder, name in ((source, "main.ts"), (site, "site.js")):
        folder.mkdir()
        (folder / name).write_text("one", "utf-8")
    module.ROOT, module.SITE, module.BUILD, module.SOURCES = tmp_path, site, site / "build.json", (source,)
    return module


def test_a_site_is_fresh_after_its_build(check: Any) -> None:
    assert check.main([]) == 1
    assert check.main(["--write"]) == 0
    assert check.main([]) == 0


@pytest.mark.parametrize("path", ["src/main.ts", "src/new.ts", "site/site.js", "site/left_over.js"])
def test_it_is_stale_once_a_source_or_a_built_file_has_changed(check: Any, path: str) -> None:
    check.main(["--write"])
    (check.ROOT / path).write_text("two", "utf-8")
    assert check.main([]) == 1


def test_it_is_stale_once_a_source_is_gone(check: Any) -> None:
    (check.ROOT / "src" / "other.ts").write_text("", "utf-8")
    check.main(["--write"])
    (check.ROOT / "src" / "other.ts").unlink()
    assert check.main([]) == 1


def test_it_stays_fresh_if_an_entry_of_the_sdk_changes_that_it_does_not_use(check: Any) -> None:
    check.UNUSED = (check.ROOT / "src" / "react",)
    check.main(["--write"])
    check.UNUSED[0].mkdir()
    (check.UNUSED[0] / "hooks.ts").write_text("two", "utf-8")
    assert check.main([]) == 0


def test_the_site_uses_no_entry_of_the_sdk_that_the_check_leaves_out() -> None:
    sources = (ROOT / "clients" / "demo" / "web" / "src").rglob("*.ts*")
    imports = {name for path in sources for name in re.findall(r'"(touchline[\w/-]*)"', path.read_text("utf-8"))}
    assert "touchline" in imports
    assert not imports & {f"touchline/{path.name}" for path in load().UNUSED}


@pytest.mark.long
def test_a_build_gives_the_very_files_that_are_committed(tmp_path: Path) -> None:
    subprocess.run(["make", "--silent", "build-js"], cwd=ROOT, capture_output=True, check=True)
    build = ["npm", "--prefix", "clients", "run", "build", "--workspace=demo/web", "--", "--outDir", str(tmp_path)]
    subprocess.run([ROOT / "scripts" / "with_node.sh", *build], cwd=ROOT, capture_output=True, check=True)
    site = ROOT / "clients" / "demo" / "touchline_demo" / "site"
    built = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    committed = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    del committed[Path("build.json")]
    assert built == committed
