"""The long forms of the reliability tests: `tools/reliability.py soak|storm|fuzz|chaos [--count N]`.

All load stays on the loopback address and is bounded. Each prints its figures, and exits with 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reliability"))

COUNTS = {"soak": 100_000, "storm": 2_000, "fuzz": 50_000, "chaos": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=COUNTS)
    parser.add_argument("--count", type=int, help="requests, clients or (chaos) places per stream; 0 is every byte")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = COUNTS[options.what] if options.count is None else options.count
    started = time.monotonic()
    try:
        good = asyncio.run(globals()[options.what](count, options.seed))
    except AssertionError as error:
        print(error)
        good = False
    print(f"{'good' if good else 'WRONG'} after {time.monotonic() - started:.0f} s")
    return 0 if good else 1


async def soak(count: int, seed: int) -> bool:
    import load

    with tempfile.TemporaryDirectory() as folder:
        found = await load.soak(count, Path(folder), seed=seed)
    for at in range(0, len(found.memory), max(1, len(found.memory) // 20)):
        requests, resident = found.memory[at]
        print(f"{requests:8d} requests  {resident / load.MIB:7.1f} MiB  {found.descriptors[at]} descriptors")
    print(dict(found.done))
    print(f"{len(found.wrong)} wrong answers", *found.wrong[:10], sep="\n")
    print(f"{found.slope:.2f} MiB per 10,000 requests, {found.descriptors[-1]} descriptors at the end")
    return not found.wrong and found.slope <= 1.0 and found.descriptors[-1] < 60


async def storm(count: int, seed: int) -> bool:
    import load

    with tempfile.TemporaryDirectory() as folder:
        figures = await load.storm(count, Path(folder), seed=seed)
    print(figures)
    return True


async def fuzz(count: int, seed: int) -> bool:
    import load

    print(dict(await load.fuzz(count, seed=seed, progress=lambda line: print(line) if "000:" in line else None)))
    return True


async def chaos(count: int, seed: int) -> bool:
    import random

    import damage

    chance = random.Random(seed)
    for provider in damage.RECORDED:
        found = damage.streams(provider)

        def places(stream: bytes) -> list[int]:
            every = range(len(stream))
            return list(every) if not count else sorted(chance.sample(every, min(count, len(every))))

        shown = await damage.run_damage([(provider, stream) for stream in found], places, seed=seed)
        print(f"{provider}: {len(found)} streams, {shown} kinds and places of damage")
    return True


if __name__ == "__main__":
    sys.exit(main())
