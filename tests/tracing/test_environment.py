"""Which variables turn tracing on, and which exporters they name."""

import pytest

from touchline_server.tracing.environment import exporter_names, is_configured

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "none", **ENDPOINT}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", **ENDPOINT}, False),
        ({"OTEL_SDK_DISABLED": "no", **ENDPOINT}, True),
        ({"OTEL_SERVICE_NAME": "live", "OTEL_METRICS_EXPORTER": "otlp"}, False),
    ],
)
def test_tracing_is_on_if_the_environment_names_where_spans_go(environment: dict[str, str], expected: bool) -> None:
    assert is_configured(environment) is expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (ENDPOINT, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            ["otlp_proto_http"],
        ),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, ["http/json"]),
    ],
)
def test_exporters_have_the_names_of_their_entry_points(environment: dict[str, str], expected: list[str]) -> None:
    assert exporter_names(environment) == expected
