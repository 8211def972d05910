"""What a node shares with the other workers of its fleet."""
