"""The client without an event loop, a socket or a clock, for callers that bring their own.

    session                        one client: what to send, what messages mean, when to connect again
    room_set ── room               the rooms it follows
    outbox ── pending_action       the actions it sends
    token_refresh                  when its token has to be replaced
    reconnect, liveness            when to connect next, and when a connection counts as dead
    close_text                     what a close by the server means, in words
    presence                       who else is in a room
    seen                           which events of a room the client has, also in another log
    view                           one room as its reader sees it
    states, items                  what they share
    action_data                    what an action may carry

Everything in here is pure, and may import the protocol and `touchline.errors` only. Imports never point up this table;
import-linter checks that.
"""
