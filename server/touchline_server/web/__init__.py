"""Which browser pages may use a listener, decided by the headers `Host` and `Origin`.

`host_names` and `origins` parse and match names, `policy` decides. Pure: knows no requests, no sockets, no settings.
"""
