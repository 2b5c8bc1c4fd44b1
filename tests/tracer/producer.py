"""A gateway's tracer under load, in its own process that a test may kill.

    python producer.py CONFIG.json ACKNOWLEDGED.txt PREFIX [--rate 500] [--seconds 60] [--settle 0]

Records requests `PREFIX-0`, `PREFIX-1`, … and appends the id of each to ACKNOWLEDGED.txt once the tracer has
acknowledged it. Prints its counters as one JSON line when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from llm_gateway_clickhouse_tracer.tracer import Tracer
from tracer_contexts import finished, user  # type: ignore[import-not-found,unused-ignore]

WORDS = "The quick brown fox jumps over the lazy dog and asks what the weather will be in Paris tomorrow. " * 8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("acknowledged")
    parser.add_argument("prefix")
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=0.0, help="wait up to so many seconds until all is sent")
    options = parser.parse_args()

    tracer = Tracer(json.loads(Path(options.config).read_text()))
    tracer.start()
    log = os.open(options.acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    print("started", flush=True)
    began, number = time.monotonic(), 0
    while time.monotonic() - began < options.seconds:
        while number < (time.monotonic() - began) * options.rate:
            request_id = f"{options.prefix}-{number}"

            def acknowledged(kept: bool, request_id: str = request_id) -> None:
                if kept:
                    os.write(log, f"{request_id}\n".encode())

            tracer.record(finished(request_id, messages=[user(f"{number} {WORDS}")]), acknowledged)
            number += 1
        time.sleep(0.005)
    until = time.monotonic() + options.settle
    while tracer.figures()["sent"] < number and time.monotonic() < until:
        time.sleep(0.05)
    tracer.close()
    print(json.dumps(tracer.figures()), flush=True)


if __name__ == "__main__":
    main()
