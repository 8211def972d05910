"""Metrics: what each is called and means (tables), reading them (snapshots), summing them over processes, and writing
them for Prometheus.

`touchline_server.core.counters` counts. Nothing here runs unless somebody asks.
"""
