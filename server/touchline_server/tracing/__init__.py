"""Spans: what this server reports to a tracing system about its own work, if one is configured.

`port` is what the rest of the server knows, with a twin that records nothing. `otel` alone knows OpenTelemetry, and is
imported only if the environment names where spans go (`open`).
"""
