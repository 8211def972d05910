"""The counters' process, as ``python -m touchline_loadtest.counters``; it is started by the measuring process."""

import gc
import os
import signal
import sys

from .command_loop import CommandLoop
from .commands import NICENESS

if __name__ == "__main__":
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the measuring process, which ends this one
    gc.disable()  # nothing here forms cycles, and each collection would traverse the objects of all clients
    CommandLoop(sys.stdin.fileno()).run()
