"""A consumer group that hands out each record once: `reader.GroupReader`.

`delivery` decides what is handed out and what may be committed, `start_offsets` where a partition begins; both are
pure. `offset_lookup` asks Kafka for the offsets that they need, and `reader` puts it all together.
"""
