"""The control plane: health, publishing over HTTP and room states, on a port of its own.

It reaches the rest of the server only through `backend.ControlBackend`, so it knows neither the edge nor the log.
"""
