"""Two shapes of load that fan-out alone does not show: connections that break and come back, and very many rooms."""
