"""A load test of Touchline: copy this file, and change what your users do.

locust -f locustfile.py --host ws://127.0.0.1:8080 --rooms score:1..3 -u 100 -r 20 -t 60s --headless
"""

from touchline_loadtest.locust.users import Cheater, Fan, Player, SlowFan, StreamFan

__all__ = ["Cheater", "Fan", "Player", "SlowFan", "StreamFan"]
