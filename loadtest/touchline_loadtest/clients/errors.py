"""Why a measurement ends early on the clients' side."""


class ClientsFailed(Exception):
    """Clients were refused, disconnected, or not served in time: there is nothing to measure."""
