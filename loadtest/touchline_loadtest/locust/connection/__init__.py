"""Touchline's protocol over gevent sockets: the SDK's session, and server-sent events. No asyncio, and no Locust."""
