"""Clients: what each may send when, and what it is answered."""
