"""The demo: a server that plays matches of its own, with a page to watch and play along. `app` runs it, `page/` is the
page, `matches/` are real and invented matches, `playback` publishes them, `cli/` adds the commands to ``touchline``.
"""
