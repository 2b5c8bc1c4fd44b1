"""What the C library's allocator does with large blocks of memory.

glibc takes a block from its heap where one of up to 64 MB is free there, and else from the system. A block of the heap
can't grow where it is: a buffer for a body of 60 MB, which grows while it comes, is copied into another one at some
size, in one call that holds the event loop for twenty milliseconds. And what is freed in the heap stays with the
process, beneath whatever was taken after it. A block that comes from the system grows by a change of the page table,
and goes back when it is freed.
"""

from __future__ import annotations

import ctypes

__all__ = ["SYSTEM_BLOCK_BYTES", "keep_large_blocks_apart"]

SYSTEM_BLOCK_BYTES = 1 << 20
"""From this size on a block comes from the system. Smaller ones are copied within a millisecond."""
SPARE_BYTES = 32 << 20
"""Up to so much of the heap's end stays with the process when it is free. Where the size of blocks is set, glibc's
figure is 128 KB: each body of that size is given back when its request ends, and the next one costs its pages anew."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of <malloc.h>. Left alone, the second rises up to 32 MB with the blocks that are freed, the first to twice that."""


def keep_large_blocks_apart() -> bool:
    """Whether the C library can: musl and those of other systems always do, or can't be asked to."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, SYSTEM_BLOCK_BYTES) and mallopt(_M_TRIM_THRESHOLD, SPARE_BYTES))
