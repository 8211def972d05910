#!/usr/bin/env python3
"""Checks the shape of the source tree, for `make check`.

Files and functions are short enough to read at a sitting, every module says what it is for, folders do not grow without
end, and no module imports itself by way of others, not even for its types. Layers are import-linter's contracts in
pyproject.toml.
"""

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grimp

ROOT = Path(__file__).parents[1]
FOLDERS = ("server", "protocol", "clients", "loadtest")
"""They hold packages and are not packages: imported from the repository's root, each would hide another module."""

SUFFIXES = {".py", ".js", ".mjs", ".ts", ".tsx", ".html", ".css"}
MODULE_SUFFIXES = {".py", ".ts", ".tsx"}
NOT_OURS = {"node_modules", "__pycache__", "dist"}

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
FOLDER_MODULES_MAX = 16


class Fault(NamedTuple):
    """What breaks a rule: where, which rule, and a number or a name."""

    where: str
    rule: str
    detail: object = ""


def source_files() -> list[Path]:
    """Every source file of the packages."""
    found: list[Path] = []
    for folder in FOLDERS:
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = [name for name in folders if name not in NOT_OURS]
            found += [path for name in names if (path := Path(parent, name)).suffix in SUFFIXES]
    return sorted(found)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def file_faults(path: Path) -> Iterator[Fault]:
    """What is wrong with one file by itself."""
    text = path.read_text("utf-8")
    if (lines := len(text.splitlines())) > FILE_LINES_MAX:
        yield Fault(named(path), "file-length", lines)
    if path.suffix != ".py":
        return
    module = ast.parse(text)
    if not ast.get_docstring(module):
        yield Fault(named(path), "module-docstring")
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield Fault(named(path), "function-length", f"{node.name}: {lines}")
        elif isinstance(node, ast.alias) and node.name == "TYPE_CHECKING":
            yield Fault(named(path), "type-checking-import")


def folder_faults(files: list[Path]) -> Iterator[Fault]:
    """Folders with too many modules, and folders that must not be packages."""
    modules = Counter(path.parent for path in files if path.suffix in MODULE_SUFFIXES and path.name != "__init__.py")
    for folder, count in sorted(modules.items()):
        if count > FOLDER_MODULES_MAX:
            yield Fault(named(folder), "folder-modules", count)
    for name in FOLDERS:
        if (ROOT / name / "__init__.py").exists():
            yield Fault(name, "not-a-package")


def cycle_faults(files: list[Path]) -> Iterator[Fault]:
    """Modules that import themselves by way of others. Imports for types alone and within functions count."""
    packages = {path.parent.name for path in files if path.name == "__init__.py" and not _init_above(path)}
    graph = grimp.build_graph(*packages, cache_dir=None)
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            if graph.chain_exists(importer=imported, imported=module):
                yield Fault(module, "import-cycle", f"by way of {imported}")


def _init_above(path: Path) -> bool:
    return (path.parents[1] / "__init__.py").exists()


def main() -> int:
    """Print what is wrong, a line each."""
    files = source_files()
    faults = [fault for path in files for fault in file_faults(path)]
    faults += folder_faults(files)
    faults += cycle_faults(files)
    lines = [f"{fault.where}: {fault.rule} {fault.detail}".rstrip() for fault in faults]
    if not files:
        lines.append("there are no source files")
    sys.stdout.write("".join(f"{line}\n" for line in lines or [f"{len(files)} source files are in shape"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
