"""The demo: a server that plays matches of its own, with a site to watch and play along. `app` runs it, `site/` is the
built site, whose sources are in `clients/demo/web`, `matches/` are real and invented matches, `playback` publishes
them, `cli/` adds the commands to ``touchline``.
"""
