"""What is counted: plain numbers, and histograms of fixed buckets, which `touchline_server.metrics` reads on request.

Pure, and knows nothing of Prometheus. Rules:

1. Nothing is counted per delivery: at most per record, per flush, per message of a client, or per connection.
2. These numbers only rise. How many there are now of anything is asked of its owner when somebody wants to know.
3. Labels are names from our own tables, never something that a client sent.
"""
