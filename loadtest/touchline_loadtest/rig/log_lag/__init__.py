"""How far clients are behind the log: the ends of its partitions, beside what clients have received of them."""
