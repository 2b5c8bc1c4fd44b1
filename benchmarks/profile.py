"""`python -m benchmarks.profile [SCENARIO]`: time of the gateway's own code per scenario, and where it goes."""

from __future__ import annotations

import cProfile
import pstats
import sys
import time

from .inprocess import CHAT, MESSAGES, InProcess, quiet, raw_request
from .scenarios import SCENARIOS, request_body

_COUNTS = {"P1": 4000, "P3": 2000, "P4": 400, "P4t": 80, "P7": 300, "P7t": 60, "P8": 1000, "P8s": 60}


async def main(wanted: list[str]) -> None:
    from .gateways import PLUGINS

    for name in wanted or list(_COUNTS):
        scenario, count = SCENARIOS[name], _COUNTS[name]
        keys = [] if scenario.dialect == "openai" else ["x-api-key: bench-key", "anthropic-version: 2023-06-01"]
        path = CHAT if scenario.dialect == "openai" else MESSAGES
        request = raw_request(path, request_body(scenario, "gpt-4o-mini"), keys)
        per = scenario.chunks if scenario.per_chunk else 1
        async with InProcess(PLUGINS if scenario.setup == "plugins" else "") as gateway:
            for _ in range(count // 10):
                reply = await gateway.ask(request)
            if b"the-end" not in reply and b"w000099" not in reply.replace(b'"}', b""):
                raise SystemExit(reply[:1000].decode())
            best = float("inf")
            with quiet():
                for _ in range(5):
                    started = time.process_time()
                    for _ in range(count // 5):
                        await gateway.ask(request)
                    best = min(best, (time.process_time() - started) / (count // 5))
            print(f"{name:4} {best * 1e6 / per:8.1f} µs per {'chunk' if per > 1 else 'request'}: {scenario.title}")
            if wanted:
                profile = cProfile.Profile()
                with quiet(), profile:
                    for _ in range(count):
                        await gateway.ask(request)
                pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(sys.argv[1:]))
