"""Load shapes: how many users there are when, and the cues at which all of them do something.

``classes`` has the classes for locustfiles; it and ``cues`` import Locust, which patches the process for gevent.
The other modules are pure, so that programs without gevent know the schedules too.
"""
