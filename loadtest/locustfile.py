"""A load test of Touchline: copy this file, and change what your users do.

Against `touchline demo` or `touchline serve`, with `python -m touchline_loadtest feed evening --url http://127.0.0.1:8081`:

locust -f locustfile.py --host ws://127.0.0.1:8080 --rooms match:1..3 -u 100 -r 20 -t 60s --headless Fan StreamFan
"""

from touchline_loadtest.locust.users import Cheater, Fan, Player, SlowFan, StreamFan

__all__ = ["Cheater", "Fan", "Player", "SlowFan", "StreamFan"]
