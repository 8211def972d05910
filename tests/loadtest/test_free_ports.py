"""Ports for servers that stop and start again."""

import os
import subprocess
import sys

from support.own_ports import share_of
from touchline_loadtest.free_ports import BELOW_EPHEMERAL, free_ports

CHOOSE = "from touchline_loadtest.free_ports import *; print(len(set(free_ports(5_000)) | set(free_ports(5_000))))"


def test_no_port_is_given_twice() -> None:
    done = subprocess.run([sys.executable, "-c", CHOOSE], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "10000\n"
    assert set(free_ports(3)).isdisjoint(free_ports(3))


def test_workers_choose_from_ports_of_their_own() -> None:
    shares = [share_of(BELOW_EPHEMERAL, worker, 3) for worker in range(3)]
    assert sum(map(len, shares)) == len(set().union(*shares)) == len(BELOW_EPHEMERAL)
