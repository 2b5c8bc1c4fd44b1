"""Large blocks of memory come from the system, so that they grow without a copy and are given back."""

from __future__ import annotations

import subprocess
import sys

import pytest

GROWN = """
import resource
from io import BytesIO
from llm_gateway.server.allocator import keep_large_blocks_apart

def new_pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

print(keep_large_blocks_apart())
# glibc alone would from now on take blocks of this size from its heap.
del (blocks := [b"x" * (25 << 20) for _ in range(3)])[:]
buffer, most = BytesIO(), 0
for _ in range(400):
    before = new_pages()
    buffer.write(b"a" * 65536)
    most = max(most, new_pages() - before)
print(most * resource.getpagesize())
"""


def test_a_large_block_grows_without_a_copy() -> None:
    run = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True)
    apart, copied = run.stdout.split()

    if apart == "False":
        pytest.skip("the C library can't be asked to")
    assert int(copied) < 2 << 20


REUSED = """
import resource
from llm_gateway.server.allocator import keep_large_blocks_apart

print(keep_large_blocks_apart())
for turn in range(60):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [b"x" * 300_000 for _ in range(4)]
    del held
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""


def test_bodies_of_usual_size_use_the_memory_of_those_before() -> None:
    run = subprocess.run([sys.executable, "-c", REUSED], capture_output=True, text=True, check=True)
    apart, new = run.stdout.split()

    if apart == "False":
        pytest.skip("the C library can't be asked to")
    assert int(new) < 1 << 20, "fifty times 1.2 MB are 60 MB where each is given back"
