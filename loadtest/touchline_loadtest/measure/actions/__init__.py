"""Measuring players: their server, what they wrote, and what they found."""
