"""The demo: a server with matches of its own and a page to watch them. `app` runs it, `page/` is the page."""
