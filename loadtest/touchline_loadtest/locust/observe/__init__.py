"""What a user of the load test sees, measured and checked while it runs. Pure: no gevent, no Locust, no clock."""
