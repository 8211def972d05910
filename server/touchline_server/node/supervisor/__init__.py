"""Several worker processes as one edge: ``touchline serve --workers N``.

The supervisor starts the workers, replaces those that end or hang, and runs the control plane for all of them. It holds
no client connection and reads no feed, so a publish over HTTP costs the workers nothing but the events themselves.
"""
