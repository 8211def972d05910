"""One way to Kafka: what all of Touchline's Kafka clients share.

From the bottom: `address` and `security` say how to reach a cluster, `error_codes` and `errors` what its answers mean,
`salvage` and `decoding` make records of whatever bytes a topic holds, `repairs` is aiokafka with its faults repaired,
and `cluster` makes clients and connects them in bounded time. On these stand `wire`, `topics` and `fetch` (requests
that aiokafka lacks: by topic id, creating no topic), `topic_admin`, `produce`, `follow` (whole topics without a group)
and `group` (a consumer group that hands out each record once).

Knows `touchline_protocol` and aiokafka, and nothing of the server, the SDK or cheatwatch. Importing it changes nothing
in aiokafka. `address`, `security` and `error_codes` need no aiokafka.
"""
