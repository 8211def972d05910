"""Alerts, dashboards and the runbook know the same alerts and metrics, and only ones that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy.queries import dashboard_queries

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))
RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
METRIC = re.compile(r"\b((?:touchline|cheatwatch|process)_[a-z_]+)\b")
OF_HISTOGRAMS = re.compile(r"_(?:bucket|sum|count)$")


def documented_metrics() -> set[str]:
    """The metrics of docs/metrics.md, and of cheatwatch's page."""
    pages = text_of("docs/metrics.md") + text_of("clients/cheatwatch/README.md")
    return set(re.findall(r"`((?:touchline|cheatwatch|process)_[a-z_]+)(?:\{[a-z,]+\})?`", pages))


def documented_labels() -> dict[str, tuple[set[str], str]]:
    """The labels of each metric, and all that its row says."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| ([^|]+) \| (.+)$", text_of("docs/metrics.md"), re.MULTILINE)
    return {
        name: (set(re.findall(r"`(\w+)`", labels)) | ({"le"} if kind == "histogram" else set()), labels + text)
        for name, kind, labels, text in rows
    }


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def metrics_in(expression: str) -> set[str]:
    return {OF_HISTOGRAMS.sub("", name) for name in METRIC.findall(expression)}


def panels(board: Any) -> Iterator[Any]:
    return (panel for panel in board["panels"] if panel["type"] != "row")


@pytest.mark.parametrize("name", RULES)
def test_every_alert_is_about_metrics_that_exist(name: str) -> None:
    assert metrics_in(RULES[name]["expr"]) <= documented_metrics()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_query_of_a_dashboard_is_about_metrics_that_exist(file: Path) -> None:
    for query in dashboard_queries(file):
        assert metrics_in(query) <= documented_metrics(), query


def expressions() -> list[str]:
    """Every expression of an alert, and every query of a dashboard."""
    return [rule["expr"] for rule in RULES.values()] + [
        query for file in DASHBOARDS for query in dashboard_queries(file)
    ]


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_metrics_have_the_labels_by_which_they_are_selected_and_grouped(expression: str) -> None:
    labels = documented_labels()
    for name, matchers in re.findall(r"\b((?:touchline|cheatwatch|process)_[a-z_]+)\{([^}]*)\}", expression):
        selected = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert selected <= labels[OF_HISTOGRAMS.sub("", name)][0] | OF_TARGETS, name
    grouped = {each.strip() for by in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", expression) for each in by.split(",")}
    known = [labels[name][0] for name in metrics_in(expression)]
    if known:
        assert grouped <= set.union(*known) | OF_TARGETS


def test_values_by_which_metrics_are_selected_are_documented() -> None:
    labels, pages = documented_labels(), text_of("docs/http-api.md") + text_of("protocol/README.md")
    for expression in expressions():
        for name, matchers in re.findall(r"\b((?:touchline|cheatwatch)_[a-z_]+)\{([^}]*)\}", expression):
            for label, values in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)"([a-z_|]+)"', matchers):
                row = labels[OF_HISTOGRAMS.sub("", name)][1]
                unknown = [each for each in values.split("|") if not re.search(rf"\b{each}\b", row)]
                assert label in OF_TARGETS or [each for each in unknown if f"`{each}`" not in pages] == [], expression


OF_TARGETS = {"instance", "job", "role"}
"""Prometheus adds these: docs/metrics.md and deploy/compose/prometheus.yml."""


def test_every_metric_of_ours_is_on_a_dashboard_or_in_an_alert() -> None:
    used = {name for rule in RULES.values() for name in metrics_in(rule["expr"])}
    used |= {name for file in DASHBOARDS for query in dashboard_queries(file) for name in metrics_in(query)}
    assert {name for name in documented_metrics() - used if not name.startswith("process_")} <= UNUSED


UNUSED = {
    "touchline_action_sessions",
    "touchline_keeper_cache_bytes",
    "touchline_presence_rooms",
    "touchline_verdicts_standing",
    "touchline_worker_starts_total",
    "cheatwatch_clocks_set_back_total",
}
"""Metrics that help with a question, and of which no change is worth a look by itself."""


def test_every_alert_has_an_entry_in_the_runbook_and_none_is_left_over() -> None:
    entries = re.findall(r"^## (.+)$", text_of("deploy/runbook.md"), re.MULTILINE)
    assert entries == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_an_entry_says_what_to_look_at_and_what_to_do(name: str) -> None:
    body = re.split(r"^## ", text_of("deploy/runbook.md").partition(f"\n## {name}\n")[2], flags=re.MULTILINE)[0]
    assert "- **Look**" in body
    assert "- **Do**" in body
    assert RULES[name]["annotations"]["runbook"] == f"deploy/runbook.md#{name.lower()}"
    assert RULES[name]["labels"]["severity"] in {"critical", "warning"}
    assert RULES[name]["annotations"]["summary"]


def test_every_alert_has_a_unit_test() -> None:
    tested = yaml.safe_load((DEPLOY / "prometheus/alerts_test.yml").read_text("utf-8"))["tests"]
    assert [each["name"] for each in tested] == list(RULES)
    for each in tested:
        quiet, firing = each["promql_expr_test"]
        assert quiet.get("exp_samples", []) == []
        assert firing["exp_samples"] == [{"labels": f'{{alertname="{each["name"]}"}}', "value": 1}]


def test_the_runbook_names_lines_of_the_log_and_settings_that_exist() -> None:
    """A word in code that looks like a name is one of the log, of a setting, or of a metric."""
    known = "".join(text_of(name) for name in ("docs/refusals.md", "docs/metrics.md", "deploy/touchline.toml"))
    known += text_of("clients/cheatwatch/README.md") + text_of("docs/presence.md")
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text_of("deploy/runbook.md")))
    of_others = {"container_cpu_cfs_throttled_periods_total"}
    assert {name for name in named - of_others if name not in known} == set()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_explains_itself_and_fits(file: Path) -> None:
    board = json.loads(file.read_text("utf-8"))
    assert board["uid"] == file.stem
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels(board):
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_grafana_finds_the_dashboards_and_prometheus() -> None:
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/touchline.yml").read_text("utf-8"))["providers"]
    compose = yaml.safe_load((DEPLOY / "compose/compose.yml").read_text("utf-8"))
    grafana = compose["services"]["grafana"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    assert source["url"] == "http://prometheus:9090"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name in {file.name for file in DASHBOARDS}
