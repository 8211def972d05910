"""What this machine, or container, allows this process."""

import contextlib
import resource
import ssl
import time
from pathlib import Path

from cryptography import x509

from touchline_protocol.errors import OperatorError
from touchline_server.config.listener.tls import TlsSettings
from touchline_server.doctor.facts import CertificateFacts, MachineFacts
from touchline_server.edge.tls import make_tls
from touchline_server.node.cpus import cpu_count
from touchline_server.node.memory import memory_bytes

KERNEL = Path("/proc/sys")


def look_at_machine(tls: TlsSettings, kernel: Path = KERNEL) -> MachineFacts:
    """The facts about this machine, and about the certificate of ``tls``. ``kernel`` is where sysctls are."""
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MachineFacts(
        cpus=cpu_count(),
        memory_bytes=memory_bytes(),
        open_files_max=files_max,
        listen_backlog_max=_sysctl(kernel / "net/core/somaxconn"),
        syn_backlog_max=_sysctl(kernel / "net/ipv4/tcp_max_syn_backlog"),
        files_max=_sysctl(kernel / "fs/file-max"),
        now_s=time.time(),
        certificate=None if tls.cert_file is None else _certificate(tls, tls.cert_file),
    )


def _sysctl(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):  # another system, or a container that hides it
        return int(path.read_text("ascii"))
    return None


def _certificate(tls: TlsSettings, path: Path) -> CertificateFacts:
    try:
        make_tls(tls)
        first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OperatorError, OSError, ValueError, ssl.SSLError) as error:
        return CertificateFacts(trouble=str(error))
    try:
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateFacts(ends_s=first.not_valid_after_utc.timestamp())
    hosts = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    return CertificateFacts(ends_s=first.not_valid_after_utc.timestamp(), names=hosts)
