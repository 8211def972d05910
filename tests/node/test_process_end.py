"""A server with a bug in one of its parts ends with an error, also if it cannot be stopped."""

import subprocess
import sys

HANGS = """
import asyncio

from touchline_server.node.process_log import ends_in_time

async def serve():
    try:
        with ends_in_time(0.0, margin_s=0.1):
            raise ZeroDivisionError
    finally:
        await asyncio.Event().wait()

asyncio.run(serve())
"""


def test_a_server_that_cannot_stop_after_a_bug_ends_with_an_error() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout + done.stderr
