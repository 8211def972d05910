"""Clients in the measuring process that read every frame, with asyncio."""
