"""Which connections an edge takes."""
