"""A consumer group that hands out each record once: `reader.GroupReader`.

`delivery` decides what is handed out and what may be committed, `start_offsets` where a partition begins;
`log_mark` identifies the log of a commit. These are pure. `offset_lookup` asks Kafka for the offsets that they need,
`moved_keys` reads what keys had in other partitions, and `reader` puts it all together. `membership.Membership` is a
member that only shares partitions; `rebalance` is what both kinds of members do in one.
"""
