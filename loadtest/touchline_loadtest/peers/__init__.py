"""The fan-out of Touchline beside that of the servers that users would pick instead: docs/comparison.md."""
