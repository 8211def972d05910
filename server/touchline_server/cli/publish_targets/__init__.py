"""Where the command line's events go: over HTTP to a running server, or straight into a log.

Each way is a module of its own and imported only when it is chosen: the log brings a Kafka client, HTTP an HTTP client.
"""
