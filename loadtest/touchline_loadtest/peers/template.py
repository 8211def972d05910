"""Fills in a peer's configuration file."""

from pathlib import Path
from string import Template


def fill(template: Path, target: Path, values: dict[str, object]) -> Path:
    """Write ``target``: the template with ``${NAME}`` replaced. Other dollars stay as they are."""
    target.write_text(Template(template.read_text("utf-8")).safe_substitute(values), "utf-8")
    return target
