"""What is wrong, by settings and facts. Pure: each module yields findings about one system.

A rule never repeats a finding whose cause another rule has reported: if Kafka does not answer, nothing is reported
about its topics.
"""
