"""The result of a load test: numbers, bounds, and what is shown of them."""
