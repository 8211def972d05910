"""Where the events of the demo come from: a real match read from a file, or made-up ones.

Pure: generators of `Timed` items. Nothing here waits, publishes or knows a log; only the match's file is read.
"""
