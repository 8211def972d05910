#!/usr/bin/python3 -IS
"""Docker's health check for every role: exits with 0 if HEALTH_URL answers 200.

HEALTH_URL is an edge's /healthz unless it is set: http://127.0.0.1:8082/readyz for a keeper, and
http://127.0.0.1:9464/metrics for cheatwatch.
"""

import os
import sys
import urllib.request

TIMEOUT_S = 4.0
"""Less than the timeout of HEALTHCHECK, so that the reason can be printed."""

url = os.environ["HEALTH_URL"]
# Without proxies: HTTP_PROXY is for other addresses than the container's own.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(url, timeout=TIMEOUT_S) as response:
        response.read()
except OSError as error:  # of a status other than 200 too
    sys.exit(f"{url}: {error}")
