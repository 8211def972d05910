"""Each file in deploy/ is checked by the program that reads it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.image import CACHE, ROOT
from proxies.running_proxy import Site, configuration, make_certificate
from touchline_server.config.loading import load_settings

pytestmark = pytest.mark.long

DEPLOY = ROOT / "deploy"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SITE = "live.example.org"
SCRIPTS = [DEPLOY / "compose/make-secrets.sh", *sorted((ROOT / "scripts").glob("*.sh"))]
EXPOSURE_MAX = "20"
"""systemd's measure of what a unit may do, in tenths: 100 is everything."""


def run(*command: str | Path, folder: Path | None = None, **variables: str) -> str:
    """The output of a program, which has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PATH": PATH} | variables,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    assert run(CACHE / "venv/bin/hadolint", DEPLOY / "docker/Dockerfile") == ""


@pytest.mark.parametrize(
    "file", [DEPLOY / "compose/make-secrets.sh", *sorted((ROOT / "scripts").glob("*.sh"))], ids=str
)
def test_the_shell_scripts_are_as_shellcheck_wants_them(file: Path) -> None:
    assert run(CACHE / "venv/bin/shellcheck", "--severity=warning", "--external-sources", file) == ""


@pytest.mark.parametrize("name", ["haproxy.cfg", "haproxy-tcp.cfg"])
def test_haproxy_accepts_its_configuration(name: str) -> None:
    assert "Configuration file is valid" in run("haproxy", "-c", "-f", DEPLOY / "proxies" / name)


def test_haproxy_accepts_it_with_a_certificate(tmp_path: Path) -> None:
    both = make_certificate(tmp_path).both
    run("haproxy", "-c", "-f", DEPLOY / "proxies/haproxy.cfg", TLS_CERTIFICATE=str(both), EDGE_1="127.0.0.1")


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    text = configuration("nginx").replace(f"/etc/ssl/{SITE}.pem", str(files.certificate))
    (tmp_path / "touchline.conf").write_text(text.replace(f"/etc/ssl/{SITE}.key", str(files.key)))
    main = tmp_path / "nginx.conf"
    main.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ include {tmp_path}/touchline.conf; }}\n")
    assert "test is successful" in run("nginx", "-t", "-p", tmp_path, "-e", "stderr", "-c", main)


def test_caddy_accepts_its_configuration(tmp_path: Path) -> None:
    run("caddy", "adapt", "--validate", "--config", DEPLOY / "proxies/Caddyfile", HOME=str(tmp_path))


@pytest.mark.parametrize("name", ["edge", "keeper", "cheatwatch"])
def test_systemd_accepts_each_unit_and_finds_it_confined(name: str, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "systemd", tmp_path, dirs_exist_ok=True)
    unit = tmp_path / f"touchline-{name}.service"
    commands = Path(sys.executable).parent
    unit.write_text(unit.read_text().replace("/opt/touchline/bin", str(commands)))
    units = f"{tmp_path}:"
    assert run("systemd-analyze", "verify", unit, SYSTEMD_UNIT_PATH=units) == ""
    threshold = f"--threshold={EXPOSURE_MAX}"
    run("systemd-analyze", "security", "--offline=true", threshold, "--no-pager", unit, SYSTEMD_UNIT_PATH=units)


def test_a_unit_has_more_time_than_its_stop_takes() -> None:
    unit = (DEPLOY / "systemd/touchline-edge.service").read_text()
    granted_s = int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0])
    assert granted_s > load_settings(None, {}).stop_s


def test_every_kernel_setting_exists() -> None:
    text = (DEPLOY / "linux/60-touchline.conf").read_text()
    settings = dict(re.findall(r"^([a-z_.0-9-]+) = (.+)$", text, re.MULTILINE))
    assert len(settings) == text.count(" = ")
    for name in settings:
        assert Path("/proc/sys", *name.split(".")).exists(), name


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    for file in (DEPLOY / "compose/prometheus.yml", DEPLOY / "prometheus/alerts.yml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "metrics.key").write_text("x")
    assert "SUCCESS" in run("promtool", "check", "config", tmp_path / "prometheus.yml")


def test_every_alert_fires_when_it_should_and_not_before() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", "alerts_test.yml", folder=DEPLOY / "prometheus")


def test_the_settings_of_compose_are_valid() -> None:
    settings = load_settings(DEPLOY / "compose/touchline.toml", {})
    assert settings.feeds.keys() == {"match", "score"}


def test_the_proxies_are_for_the_documented_site() -> None:
    assert Site.on_free_ports().configured("10.0.0.11 10.0.0.12") == "127.0.0.11 127.0.0.12"
    for proxy in ("nginx", "haproxy", "caddy"):
        assert {"10.0.0.11", "10.0.0.12"} <= set(re.findall(r"10\.0\.0\.\d+", configuration(proxy)))
