"""A real nginx, HAProxy or Caddy in front of edges, all with their configuration in deploy/proxies/.

Only what a reader replaces as well is replaced: addresses, ports, and the files with the certificate. Added are
settings that keep the program in the foreground and its files in the test's folder.
"""

import asyncio
import contextlib
import datetime
import os
import re
import shutil
import ssl
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.node_fixture import RunningNode, running_node
from support.waiting import DEADLINE_S
from touchline_loadtest.free_ports import free_ports

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "proxies.md"
HOST = "live.example.org"
ORIGIN = f"https://{HOST}"
PROXIES = ("nginx", "haproxy", "caddy")

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_EDGES = {"10.0.0.11": "127.0.0.11", "10.0.0.12": "127.0.0.12"}


def snippet(name: str, number: int = 0) -> str:
    """A block of the document in a language: an edge's settings (toml), or the checks (sh)."""
    found = re.findall(rf"^```{name}\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found[number])


_FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}


def configuration(proxy: str, file: str = "") -> str:
    """A proxy's configuration: the one for HTTP unless another ``file`` is named."""
    return (ROOT / "deploy" / "proxies" / (file or _FILES[proxy])).read_text("utf-8")


class Certificate(NamedTuple):
    """A certificate for `HOST`, its key, and both in one file."""

    certificate: Path
    key: Path
    both: Path


class RunningProxy(NamedTuple):
    """A proxy that listens on ``port`` of this machine, the context for TLS that trusts it, and its certificate."""

    port: int
    tls: ssl.SSLContext
    certificate: Path


def make_certificate(folder: Path) -> Certificate:
    """Make a certificate that is valid for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = Certificate(folder / "site.pem", folder / "site.key", folder / "both.pem")
    for file, content in zip(files, (certificate, private, certificate + private), strict=True):
        file.write_bytes(content)
    return files


def _nginx(text: str, folder: Path, port: int, files: Certificate) -> tuple[Path, list[str]]:
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace(f"/etc/ssl/{HOST}.pem", str(files.certificate)).replace(f"/etc/ssl/{HOST}.key", str(files.key))
    paths = "".join(f"{kind}_temp_path {folder};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = f"daemon off; master_process off; pid {folder}/pid;\nevents {{}}\n"
    config = folder / "nginx.conf"
    config.write_text(f"{main}http {{ access_log off;\n{paths}{text}}}\n")
    return config, ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(config)]


def _haproxy(text: str, folder: Path, port: int, files: Certificate) -> tuple[Path, list[str]]:
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}").replace(f"/etc/ssl/{HOST}.pem", str(files.both))
    text = text.replace("#setenv TLS_CERTIFICATE", "setenv TLS_CERTIFICATE")
    text = text.replace("presetenv METRICS 127.0.0.1:8404", f"setenv METRICS unix@{folder}/metrics.sock")
    config = folder / "haproxy.cfg"
    config.write_text(text)
    return config, ["haproxy", "-db", "-f", str(config)]


def _caddy(text: str, folder: Path, port: int, files: Certificate) -> tuple[Path, list[str]]:
    quiet = f"{{\nadmin off\nauto_https off\nstorage file_system {folder}\n}}\n"
    text = text.replace(f"{HOST} {{", f"{ORIGIN}:{port} {{\nbind 127.0.0.1\ntls {files.certificate} {files.key}", 1)
    config = folder / "Caddyfile"
    config.write_text(quiet + text)
    return config, ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


_PREPARE: dict[str, Callable[[str, Path, int, Certificate], tuple[Path, list[str]]]] = {
    "nginx": _nginx,
    "haproxy": _haproxy,
    "caddy": _caddy,
}


class Site(NamedTuple):
    """The addresses of a site of two edges: hosts of their own, and the same ports on both."""

    port: int
    control_port: int
    hosts: tuple[str, ...] = tuple(_EDGES.values())

    @classmethod
    def on_free_ports(cls) -> "Site":
        port, control_port = free_ports(2)
        return cls(port, control_port)

    def edge(self, number: int, **settings: Any) -> contextlib.AbstractAsyncContextManager[RunningNode]:
        """A node at one of the addresses, with the documented settings of an edge."""
        documented = tomllib.loads(snippet("toml").replace(next(iter(_EDGES)), self.hosts[number]))
        where = {"port": self.port, "control_port": self.control_port, "edge_name": f"edge-{number}"}
        return running_node(**(documented | where | settings))

    def configured(self, text: str) -> str:
        """A configuration with the addresses of these edges."""
        for documented, used in _EDGES.items():
            text = text.replace(documented, used)
        return text.replace("8080", str(self.port)).replace("8081", str(self.control_port))


@contextlib.asynccontextmanager
async def running_proxy(
    name: str, folder: Path, site: Site, change: Callable[[str], str] = lambda text: text, *, file: str = ""
) -> AsyncIterator[RunningProxy]:
    """Run a proxy in front of a site until the end of the block. ``change`` edits its configuration, which is in its
    usual file unless another one in the same folder is named."""
    program = shutil.which(name, path=_PATH)
    if program is None:
        pytest.fail(f"these tests need {name}: make installs it")
    files = make_certificate(folder)
    (port,) = free_ports(1)
    text = change(site.configured(configuration(name, file)))
    _, command = _PREPARE[name](text, folder, port, files)
    errors = folder / "stderr"
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            program, *command[1:], stdout=stderr, stderr=stderr, env=os.environ | {"HOME": str(folder)}
        )
    try:
        await _until_listening(port, process, errors)
        yield RunningProxy(port, ssl.create_default_context(cafile=files.certificate), files.certificate)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until_listening(port: int, process: asyncio.subprocess.Process, errors: Path) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
    written = errors.read_text(errors="replace")  # noqa: ASYNC240 - the test has failed
    pytest.fail(f"the proxy ended with {process.returncode}: {written}")
