"""The queries of Grafana's dashboards, as Grafana sends them."""

import json
import re
from pathlib import Path

VARIABLES = {"$instance": ".*", "$__rate_interval": "1m", "$__all": ".*"}
LABEL_VALUES = re.compile(r"label_values\((.+), \w+\)")


def dashboard_queries(file: Path) -> list[str]:
    """All queries of a dashboard: those of panels, annotations and variables, with values for Grafana's variables."""
    board = json.loads(file.read_text("utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    found += [each["expr"] for each in board["annotations"]["list"]]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found += LABEL_VALUES.findall(variable["definition"])
    return [_filled(query) for query in found]


def _filled(query: str) -> str:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query
