"""The fast generator: tens of thousands of clients that only receive, over several processes.

`run` is a whole run: the sample (`sample.py`) is here and reads everything, the counters are in processes of their own
(`worker.py`) and count bytes. `ledger.py` says what can be checked by counting.
"""
