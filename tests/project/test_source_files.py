"""The shape of the source tree: files short enough to read at a sitting, each saying what it is for.

Layers and the purity of the core are import-linter's contracts in pyproject.toml; `make check` runs them.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("server", "protocol", "clients", "loadtest")  # folders of packages, not packages themselves
SOURCE_SUFFIXES = {".py", ".js", ".mjs", ".ts", ".html", ".css"}
NOT_OURS = {"node_modules", "__pycache__"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50


def source_files() -> list[Path]:
    """Every source file of the packages."""
    return [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in SOURCE_SUFFIXES and not NOT_OURS.intersection(path.parts)
    ]


def named(path: Path) -> str:
    """The path as it is called in a test's id."""
    return path.relative_to(ROOT).as_posix()


FILES = source_files()
PYTHON_FILES = [path for path in FILES if path.suffix == ".py"]


def test_the_source_files_are_found() -> None:
    found = {named(path) for path in FILES}
    assert {"server/touchline_server/__init__.py", "protocol/touchline_protocol/version.py"} <= found


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", PYTHON_FILES, ids=named)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), "its docstring is missing"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=named)
def test_a_function_is_short(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {f"{node.name}, line {node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_packages_is_no_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
