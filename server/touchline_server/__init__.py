"""Touchline's server: an edge that fans out a log's events to WebSocket clients. See ARCHITECTURE.md."""
