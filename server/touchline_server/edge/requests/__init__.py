"""Opening requests: their bytes, the decisions about them, and the responses. It knows HTTP, but no socket."""
