"""Whether spans are exported, and by which exporters: decided by the standard OTEL_* variables, which every collector,
operator and sidecar knows. Pure.
"""

from collections.abc import Mapping

DISABLED = "OTEL_SDK_DISABLED"
EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"
OTLP = {HTTP: "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""The exporters of OTLP as entry points have them, by protocol."""


def is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the environment names where spans go."""
    if environment.get(DISABLED, "").strip().lower() == "true":
        return False
    exporter = environment.get(EXPORTER, "").strip().lower()
    if exporter:
        return exporter != "none"
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


def exporter_names(environment: Mapping[str, str]) -> list[str]:
    """The names of the exporters, as entry points have them."""
    protocol = next((value for name in PROTOCOLS if (value := environment.get(name, "").strip())), HTTP)
    names = [name.strip() for name in (environment.get(EXPORTER, "").strip() or "otlp").split(",")]
    return [OTLP.get(protocol, protocol) if name == "otlp" else name for name in names if name]
