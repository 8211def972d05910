"""What brokers say about topics, and what can be believed of it."""
