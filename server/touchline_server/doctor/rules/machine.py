"""Rules about this machine: its limits against what the settings ask for. Pure."""

from collections.abc import Iterator, Sequence

from touchline_protocol.loopback import is_loopback
from touchline_server.config.conflicts import conflicts
from touchline_server.config.settings import Settings
from touchline_server.config.workers import is_embedded, worker_count
from touchline_server.doctor.facts import CertificateFacts, MachineFacts
from touchline_server.doctor.finding import Finding, Severity
from touchline_server.edge.server import BACKLOG
from touchline_server.node.open_files import ADVICE, CLIENTS_MIN, RESERVED_FILES
from touchline_server.web.host_names import HostPattern
from touchline_server.web.origins import EVERY

DAY_S = 24 * 3600.0
CERTIFICATE_DAYS_MIN = 14.0
"""Certificates are renewed 30 days before they end, and tools that do so try each day: one that has less left was
probably not renewed."""


def machine_findings(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    """What does not fit on this machine."""
    yield from _open_files(settings, facts)
    yield from _certificate(settings, facts)
    yield from _exposure(settings)
    yield from _workers(settings, facts)
    yield from _kernel(settings, facts)
    workers = worker_count(settings.workers, settings.log, facts.cpus)
    for conflict in conflicts(settings, facts.memory_bytes // workers):
        options = ", ".join(conflict.options)
        yield Finding(Severity.WARNING, "settings_conflict", options, conflict.message, f"change {options}")


def _open_files(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    wanted, limit = settings.connections_max + RESERVED_FILES, facts.open_files_max
    if limit < 0 or wanted <= limit:
        return
    fits = limit - RESERVED_FILES
    if fits < CLIENTS_MIN:
        severity, text = Severity.ERROR, f"a process may have {limit} files open, and the server does not start"
    else:
        severity = Severity.WARNING
        text = f"a process may have {limit} files open: {fits} clients fit, and connections_max is "
        text += f"{settings.connections_max}"
    yield Finding(severity, "open_files", "ulimit -n", text, f"{ADVICE} to {wanted}, or lower connections_max")


def _certificate(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    if (found := facts.certificate) is None:
        return
    subject = "tls.cert_file"
    if found.trouble is not None:
        cure = "name a PEM file with the certificate and its chain in tls.cert_file, and its key in tls.key_file"
        yield Finding(Severity.ERROR, "certificate_unusable", subject, found.trouble, cure)
    elif found.ends_s is not None:
        yield from _validity(subject, found, (found.ends_s - facts.now_s) / DAY_S)
        yield from _names(subject, found.names, [host for host in settings.hosts if host != EVERY])


def _validity(subject: str, found: CertificateFacts, days: float) -> Iterator[Finding]:
    cure = "renew it: the server reads the files again within tls.check_s, or at SIGHUP"
    names = ", ".join(found.names) or "no host name"
    if days <= 0:
        text = f"the certificate for {names} has expired: browsers refuse to connect"
        yield Finding(Severity.ERROR, "certificate_expired", subject, text, cure)
    elif days < CERTIFICATE_DAYS_MIN:
        text = f"the certificate for {names} expires in {days:.1f} days"
        yield Finding(Severity.WARNING, "certificate_expires", subject, text, cure)


def _names(subject: str, names: Sequence[str], hosts: Sequence[str]) -> Iterator[Finding]:
    cure = "have it issued for the names by which clients connect"
    patterns = [HostPattern.parse(host) for host in hosts]
    if not names:
        text = "the certificate has no subjectAltName: browsers and the SDKs refuse it, whatever its common name is"
        yield Finding(Severity.ERROR, "certificate_names", subject, text, cure)
    elif patterns and not any(_covers(name.lower(), pattern) for name in names for pattern in patterns):
        text = f"the certificate is for {', '.join(names)}, and for none of hosts ({', '.join(hosts)})"
        text += ": clients that connect by those names refuse it"
        yield Finding(Severity.WARNING, "certificate_names", subject, text, f"{cure}, or correct hosts")


def _covers(name: str, hosts: HostPattern) -> bool:
    """Whether a certificate for ``name`` serves one of ``hosts``. An asterisk stands for a single label there, not for
    several (RFC 6125, section 6.4.3)."""
    if not name.startswith("*."):
        return hosts.matches(name)
    return hosts.matches(name) if hosts.subdomains else hosts.host.partition(".")[2] == name.removeprefix("*.")


def _exposure(settings: Settings) -> Iterator[Finding]:
    is_public = not is_loopback(settings.control_host)
    if is_public and not settings.publish_needs_key:
        yield Finding(
            Severity.WARNING,
            "publish_open",
            "publish_without_key",
            f"the control port listens on {settings.control_host}, and anybody who reaches it can publish events",
            "set api_keys, or control_host = 127.0.0.1",
        )
    if not settings.auth.has_keys:
        yield Finding(
            Severity.NOTE,
            "no_token_keys",
            "auth",
            "there is no key to check tokens with: everybody may watch, nobody can act, and verdicts are not read",
            "set auth.jwks, auth.public_keys or auth.hs256_secret if players act",
        )


def _workers(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    workers = worker_count(settings.workers, settings.log, facts.cpus)
    if workers > facts.cpus:
        yield Finding(
            Severity.WARNING,
            "workers_many",
            "workers",
            f"{workers} workers share {facts.cpus} CPUs: each reads all feeds, so together they deliver less than "
            f"{facts.cpus} would",
            'set workers = "auto"',
        )
    elif workers < facts.cpus and not is_embedded(settings.log):
        yield Finding(
            Severity.NOTE,
            "workers_few",
            "workers",
            f"a worker uses one CPU, and {facts.cpus - workers} of {facts.cpus} are left for other programs",
            'set workers = "auto" if this machine serves clients alone',
        )


def _kernel(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    backlog = facts.listen_backlog_max
    if backlog is not None and backlog < min(BACKLOG, settings.connections_max):
        yield Finding(
            Severity.WARNING,
            "somaxconn",
            "net.core.somaxconn",
            f"the kernel keeps {backlog} new connections that were not accepted yet, and the server asks for "
            f"{BACKLOG}: when many clients come at once, some wait for a second or more",
            f"sysctl -w net.core.somaxconn={BACKLOG}",
        )
    syn = facts.syn_backlog_max
    if syn is not None and syn < min(BACKLOG, settings.connections_max):
        yield Finding(
            Severity.NOTE,
            "syn_backlog",
            "net.ipv4.tcp_max_syn_backlog",
            f"the kernel keeps {syn} connections whose handshake is under way, fewer than the {BACKLOG} that may wait",
            f"sysctl -w net.ipv4.tcp_max_syn_backlog={BACKLOG}",
        )
    workers = worker_count(settings.workers, settings.log, facts.cpus)
    needed = workers * (settings.connections_max + RESERVED_FILES)
    if facts.open_files_max >= 0:
        needed = min(needed, workers * facts.open_files_max)  # no process has more, whatever the settings ask for
    if facts.files_max is not None and facts.files_max < needed:
        yield Finding(
            Severity.WARNING,
            "files_of_the_machine",
            "fs.file-max",
            f"all processes together may have {facts.files_max} files open, and {workers} workers need up to {needed}",
            f"sysctl -w fs.file-max={2 * needed}",
        )
