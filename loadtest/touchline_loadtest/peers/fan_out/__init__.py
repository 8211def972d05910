"""One room with many clients: what deliveries, connections and connects cost, and how many deliveries are possible."""
