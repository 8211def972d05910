"""A worker's process, as ``python -m touchline_loadtest.swarm``; the run starts it."""

import gc
import signal
import sys

from .worker import Worker

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the run, which ends this process
    gc.disable()  # each collection would traverse the objects of all clients
    Worker(sys.stdin.fileno()).run()
