"""Where the demo's events come from: a recorded match in a file, or invented matches.

Pure: generators of `Timed` items. Nothing here waits, publishes or knows a log. The only input is the match's file.
"""
