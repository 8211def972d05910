"""Spans: what this server tells a tracing system of its own work, if there is one.

`port` is what the rest of the server knows, with a twin that records nothing. `otel` alone knows OpenTelemetry, and is
imported only if the environment names where spans go (`open`).
"""
