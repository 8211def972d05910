"""The client without an event loop, a socket or a clock, for callers who bring their own.

    session                                            one client: what to send, what messages mean, when to retry
      ├── room_set ── room                             the rooms it follows
      ├── outbox ── pending_action, action_data        the actions it sends
      ├── token_refresh                                when its token has to be replaced
      └── close_text                                   what a close by the server means, in words
    view                                               what the reader of one room sees
    states, items, backoff                             what all of them share

It may import the protocol and `touchline.errors`. Imports point down this table only; an import-linter contract holds
that order.
"""
