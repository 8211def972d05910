"""The Helm chart: what Helm says, the schemas of three versions of Kubernetes, and what pods must and must not do."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy.chart import CHART, EVERYTHING, LEAST, VERSIONS, Rendered, helm, rendered, template
from deploy.image import CACHE, ROOT
from touchline_server.config.drain import STOP_AFTER_DRAIN_S
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings

pytestmark = pytest.mark.long

KINDS_OF_OPERATORS = {"ServiceMonitor", "PrometheusRule"}
"""The Prometheus operator's, of which Kubernetes has no schema."""
VALUES = {"least": LEAST, "everything": EVERYTHING}


@pytest.fixture(scope="module", params=VALUES)
def release(request: pytest.FixtureRequest) -> Rendered:
    return rendered(VALUES[request.param])


@pytest.fixture(scope="module")
def everything() -> Rendered:
    return rendered(EVERYTHING)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_has_nothing_to_say_about_the_chart(values: Mapping[str, Any]) -> None:
    linted = helm("lint", "--strict", CHART, "--kube-version", VERSIONS[-1], values=values)
    assert linted.returncode == 0, linted.stdout
    assert "[WARNING]" not in linted.stdout


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_kubernetes_knows_every_field(values: Mapping[str, Any], version: str, tmp_path: Path) -> None:
    made = template(values, version)
    assert made.returncode == 0, made.stderr
    for number, document in enumerate(re.split(r"^---$", made.stdout, flags=re.MULTILINE)):
        if (kind := re.search(r"^kind: (\w+)", document, re.MULTILINE)) and kind[1] not in KINDS_OF_OPERATORS:
            (tmp_path / f"{number}-{kind[1]}.yaml").write_text(document)
    files = [str(file) for file in sorted(tmp_path.iterdir())]
    validate = [str(CACHE / "venv/bin/kubernetes-validate"), "--strict", "-k", version, *files]
    validated = subprocess.run(validate, capture_output=True, text=True, check=False)
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert validated.stdout.count("passed") == len(files)


def test_an_older_kubernetes_is_refused() -> None:
    assert template(LEAST, "1.28.0").returncode != 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"log": ""}, "log"),
        ({"edge": {"replica": 3}}, "replica"),
        ({"edge": {"drainSeconds": "17"}}, "drainSeconds"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"keeper": {"enabled": True}, "secrets": {"edge": {}, "keeper": {}}}, "TOUCHLINE_REDIS__URL"),
        ({"secrets": {"edge": {"TOUCHLINE_API_KEYS": {"secret": "", "key": "x"}}}}, "TOUCHLINE_API_KEYS"),
        ({"log": "sqlite:///var/lib/touchline/log.db"}, "log"),
    ],
)
def test_a_mistake_in_the_values_is_named(change: Mapping[str, Any], complaint: str) -> None:
    refused = template({**LEAST, **change})
    assert refused.returncode != 0
    assert complaint in refused.stderr


def test_no_container_is_root_or_can_write_to_its_root(release: Rendered) -> None:
    for pod in release.pods().values():
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_pods_have_no_access_to_kubernetes(release: Rendered) -> None:
    assert all(pod["automountServiceAccountToken"] is False for pod in release.pods().values())


def test_services_do_not_become_settings(release: Rendered) -> None:
    """Kubernetes sets TOUCHLINE_PORT to a URL in each pod beside a Service with the name touchline."""
    assert all(pod["enableServiceLinks"] is False for pod in release.pods().values())


def test_edges_get_the_variables_of_the_values() -> None:
    (container,) = rendered(EVERYTHING).pods()["edge"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"


def test_every_container_has_probes_and_limits(release: Rendered) -> None:
    for pod in release.pods().values():
        for container in pod["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys()
            ports = {each["name"] for each in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    assert container[probe]["httpGet"]["port"] in ports
            resources = container["resources"]
            assert "memory" in resources["limits"]
            assert "cpu" not in resources["limits"]  # throttling would delay events while a CPU is idle
            assert {"cpu", "memory"} <= resources["requests"].keys()
            assert not container["image"].endswith(":latest")


def test_liveness_never_depends_on_kafka_or_redis(release: Rendered) -> None:
    paths = {
        role: pod["containers"][0]["livenessProbe"]["httpGet"]["path"]
        for role, pod in release.pods().items()
        if role != "cheatwatch"
    }
    assert set(paths.values()) == {"/healthz"}


@pytest.mark.parametrize(
    "edge", [{}, {"preStopSeconds": 30}, {"drainGraceSeconds": 20}, {"drainSeconds": 120}, {"stopMarginSeconds": 60}]
)
def test_a_pod_has_more_time_than_its_stop_takes(edge: Mapping[str, int]) -> None:
    pod = rendered({**LEAST, "edge": edge}).pods()["edge"]
    (container,) = pod["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    settings = Settings(
        drain_s=float(variables["TOUCHLINE_DRAIN_S"]), drain_grace_s=float(variables["TOUCHLINE_DRAIN_GRACE_S"])
    )
    sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    assert settings.stop_s >= settings.drain_s + STOP_AFTER_DRAIN_S  # type: ignore[operator]
    assert pod["terminationGracePeriodSeconds"] > settings.stop_s + float(seconds)
    assert float(seconds) >= 5  # endpoints are removed while preStop sleeps


def test_a_release_never_has_fewer_edges_than_it_should(release: Rendered) -> None:
    edge = release.of("Deployment")["edge"]["spec"]
    assert edge["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = release.of("PodDisruptionBudget")["edge"]["spec"]
    assert budget["maxUnavailable"] == 1
    labels = edge["template"]["metadata"]["labels"].items()
    assert budget["selector"]["matchLabels"].items() <= labels
    spread = edge["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(each["labelSelector"]["matchLabels"].items() <= labels for each in spread)


def test_each_selector_finds_the_pods_of_one_role(everything: Rendered) -> None:
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"].items()
        for name, each in everything.of("Deployment").items()
    }
    services = {"": "edge", "control": "edge", "keeper": "keeper", "cheatwatch": "cheatwatch"}
    for name, service in everything.of("Service").items():
        found = [role for role, each in labels.items() if service["spec"]["selector"].items() <= each]
        assert found == [services[name]]


def test_the_autoscaler_goes_by_connections_and_shrinks_slowly(everything: Rendered) -> None:
    scaler = everything.of("HorizontalPodAutoscaler")["edge"]["spec"]
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == "touchline_connections"
    assert scaler["scaleTargetRef"]["name"] in {"live-touchline-edge"}
    assert scaler["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]
    # Otherwise each release would set the number back.
    assert "replicas" not in everything.of("Deployment")["edge"]["spec"]
    assert rendered(LEAST).of("Deployment")["edge"]["spec"]["replicas"] == 2


def test_secrets_are_references_alone(everything: Rendered) -> None:
    assert everything.of("Secret") == {}
    for pod in everything.pods().values():
        for variable in pod["containers"][0].get("env", []):
            if variable["name"] in {"TOUCHLINE_REDIS__URL", "TOUCHLINE_API_KEYS"}:
                assert set(variable["valueFrom"]) == {"secretKeyRef"}


def test_the_control_port_is_for_few(everything: Rendered) -> None:
    policy = everything.of("NetworkPolicy")["edge"]["spec"]
    clients, control = policy["ingress"]
    assert (clients["ports"], control["ports"]) == ([{"port": "clients"}], [{"port": "control"}])
    assert control["from"] == EVERYTHING["networkPolicy"]["controlFrom"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    by_default = rendered(LEAST).of("NetworkPolicy")["edge"]["spec"]
    assert by_default["ingress"][1]["from"] == [{"podSelector": {}}]  # its own namespace
    assert by_default["policyTypes"] == ["Ingress"]
    (ingress,) = everything.of("Ingress").values()
    paths = [each["path"] for each in ingress["spec"]["rules"][0]["http"]["paths"]]
    assert paths == ["/ws", "/v1/rooms/"]


def test_pods_are_replaced_when_their_settings_change() -> None:
    before, after = (
        {name: each["spec"]["template"]["metadata"]["annotations"] for name, each in release.of("Deployment").items()}
        for release in (rendered(EVERYTHING), rendered({**EVERYTHING, "config": "window_s = 60.0"}))
    )
    assert before["edge"] != after["edge"]
    assert before["keeper"] != after["keeper"]
    assert before["cheatwatch"] == after["cheatwatch"]


def test_the_default_settings_are_valid(release: Rendered, tmp_path: Path) -> None:
    file = tmp_path / "touchline.toml"
    file.write_text(release.of("ConfigMap")[""]["data"]["touchline.toml"])
    assert load_settings(file, {}).logging.format == "json"


def test_prometheus_reads_every_role_and_has_the_alerts(everything: Rendered) -> None:
    monitor = everything.of("ServiceMonitor")[""]["spec"]
    (endpoint,) = monitor["endpoints"]
    services = [
        each
        for each in everything.of("Service").values()
        if monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]
    assert len(services) == 3
    assert all(endpoint["port"] in {port["name"] for port in each["spec"]["ports"]} for each in services)
    assert endpoint["authorization"]["credentials"] == {"name": "touchline-metrics", "key": "key"}
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
    assert everything.of("PrometheusRule")[""]["spec"] == alerts
    assert everything.of("ConfigMap")["dashboards"]["data"].keys() == {
        each.name for each in (ROOT / "deploy/grafana/dashboards").iterdir()
    }
