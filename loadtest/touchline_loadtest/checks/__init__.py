"""What clients check: pure functions of payloads, times and records, which return findings."""
