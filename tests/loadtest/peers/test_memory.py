"""The memory of processes and of the kernel, as Linux reports it."""

import mmap
import os

from touchline_loadtest.peers.fan_out.memory import process_kib, shared_kib, slab_kib

STATUS = "Name:\tnginx\nRssAnon:\t    100 kB\nRssFile:\t  7 kB\nRssShmem:\t     42 kB\n"
MEMINFO = "MemTotal:  24000 kB\nSlab:    6789 kB\nSReclaimable:  1 kB\n"
SIZE = 32 * 1024 * 1024


def test_the_right_lines_are_read() -> None:
    assert shared_kib(STATUS) == 42
    assert slab_kib(MEMINFO) == 6789
    assert shared_kib(MEMINFO) == slab_kib("") == 0


def test_shared_memory_counts() -> None:
    before_kib = process_kib(os.getpid())
    with mmap.mmap(-1, SIZE) as shared:  # anonymous and shared
        shared.write(b"x" * SIZE)
        assert process_kib(os.getpid()) - before_kib > SIZE // 1024 * 0.9
