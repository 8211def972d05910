"""What Helm makes of the chart: `helm template`, and the objects of a kind in it."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from deploy.image import CACHE, ROOT

HELM = CACHE / "bin" / "helm"
CHART = ROOT / "deploy" / "helm" / "touchline"
VERSIONS = ("1.31.0", "1.34.0", "1.37.0")
"""Kubernetes' oldest version that the chart is for, and two newer ones."""

LEAST = {"log": "kafka://kafka:9092"}
"""Without these values the chart cannot be installed."""

REDIS = {"TOUCHLINE_REDIS__URL": {"secret": "touchline-redis", "key": "url"}}
EVERYTHING: Mapping[str, Any] = {
    **LEAST,
    "secrets": {"edge": REDIS, "keeper": REDIS},
    "edge": {
        "autoscaling": {"enabled": True},
        "env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "live-tls"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "edges", "operator": "Exists"}],
        "podAnnotations": {"example.org/a": "b"},
        "service": {"type": "LoadBalancer", "annotations": {"example.org/lb": "x"}},
    },
    "keeper": {"enabled": True},
    "cheatwatch": {"enabled": True, "rules": "[feeds.match]\ntopic = 'match-events'\n"},
    "imagePullSecrets": ["registry"],
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "kafka-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/kafka-ca", "readOnly": True}],
    "networkPolicy": {
        "clientsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "controlFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 9092}]}],
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "keySecret": "touchline-metrics"},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True},
    },
}


class Rendered(NamedTuple):
    """The objects of a release."""

    objects: list[dict[str, Any]]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of a kind, by name without the release's."""
        found = {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}
        return {name.removeprefix("live-touchline").removeprefix("-"): each for name, each in found.items()}

    def pods(self) -> dict[str, dict[str, Any]]:
        """The pods' specifications, by the role."""
        return {name: each["spec"]["template"]["spec"] for name, each in self.of("Deployment").items()}


def helm(*arguments: str | Path, values: Mapping[str, Any] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Helm with values from its standard input."""
    extra = () if values is None else ("--values", "-")
    return subprocess.run(
        [HELM, *arguments, *extra],
        input=None if values is None else json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
    )


def template(values: Mapping[str, Any], kubernetes: str = VERSIONS[-1]) -> "subprocess.CompletedProcess[str]":
    """`helm template` of a release with the name live."""
    return helm("template", "live", CHART, "--namespace", "live", "--kube-version", kubernetes, values=values)


def rendered(values: Mapping[str, Any]) -> Rendered:
    """The objects of a release with these values."""
    made = template(values)
    assert made.returncode == 0, made.stderr
    return Rendered([each for each in yaml.safe_load_all(made.stdout) if each])
