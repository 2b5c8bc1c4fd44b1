"""None lost, none doubled: whatever is killed, whenever. The engine is real, and so are the kills.

What counts are the records that were acknowledged, that is, whose write to the spool had returned.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.capture.frames import decode_frame
from llm_gateway_clickhouse_tracer.database.client import connect
from llm_gateway_clickhouse_tracer.tracer import Tracer
from tracer_contexts import finished
from tracer_harness import Front, Producers, assert_none_lost_none_doubled, end, eventually, finish, rows

OUTAGE_SECONDS = 10.0


def tracer_of(config: dict[str, Any]) -> Tracer:
    tracer = Tracer(config)
    tracer.start()
    return tracer


def test_the_server_is_killed_under_load_and_stays_away_for_ten_seconds(
    front: Front, config: dict[str, Any], producers: Producers
) -> None:
    producer = producers.start(config, "a", seconds=OUTAGE_SECONDS + 4, settle=30)
    time.sleep(2)
    front.kill()
    time.sleep(OUTAGE_SECONDS)
    front.start()
    figures = finish(producer)

    assert assert_none_lost_none_doubled(config, producers.acknowledged) == figures["submitted"] > 1000
    assert figures["retries"] >= 1


def test_the_gateway_is_killed_three_times_under_load(config: dict[str, Any], producers: Producers) -> None:
    for prefix in ("a", "b", "c"):
        producer = producers.start(config, prefix)
        time.sleep(1.7)
        end(producer)
    finish(producers.start(config, "d", seconds=1))

    assert assert_none_lost_none_doubled(config, producers.acknowledged) > 1000


def test_a_reply_that_is_lost_after_the_commit_doubles_nothing(
    front: Front, config: dict[str, Any], producers: Producers
) -> None:
    producer = producers.start(config, "a", seconds=5)
    for _ in range(3):
        time.sleep(1)
        # Two in a row, for the driver repeats an insert once by itself when its connection was closed.
        front.fault(drop_after_commit=2)
    figures = finish(producer)

    assert_none_lost_none_doubled(config, producers.acknowledged)
    assert front.fault()["drop_after_commit"] == 0
    assert figures["retries"] >= 1


def test_a_server_that_refuses_for_a_while_is_asked_again(
    front: Front, config: dict[str, Any], producers: Producers
) -> None:
    front.fault(fail=4, status=503)
    figures = finish(producers.start(config, "a", seconds=4, settle=30))

    assert_none_lost_none_doubled(config, producers.acknowledged)
    assert figures["retries"] >= 1


def test_two_gateways_share_a_host_and_the_one_that_lives_sends_what_the_other_left(
    config: dict[str, Any], producers: Producers
) -> None:
    slow = {**config, "flushInterval": 60_000}  # what it holds is still in the spool when it dies
    doomed = producers.start(slow, "doomed")
    producer = producers.start(config, "living", seconds=14, rate=100)
    time.sleep(1.5)
    end(doomed)
    figures = finish(producer)

    assert assert_none_lost_none_doubled(config, producers.acknowledged) > 500
    assert any(name.startswith("doomed") for name in producers.acknowledged)
    assert figures["adopted_segments"] >= 1


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("unshare"), reason="needs a small file system of its own"
)
def test_the_disk_is_full_for_a_while(
    front: Front, config: dict[str, Any], producers: Producers, tmp_path: Path
) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    inside = ("unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=1m tmpfs {mount} && exec "$@"', "sh")
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")
    front.kill()
    small = {**config, "spool": {**config["spool"], "path": str(mount)}}
    producer = producers.start(small, "a", seconds=10, rate=400, settle=40, before=inside)
    time.sleep(6)
    full = len(producers.acknowledged)
    time.sleep(0.5)
    assert len(producers.acknowledged) == full, "the disk was not full"
    front.start()
    figures = finish(producer)

    assert figures["spool_errors"] >= 1
    assert figures["dropped_new"] == 0
    assert assert_none_lost_none_doubled(config, producers.acknowledged) == figures["submitted"] > full


def test_a_poison_record_is_set_aside_and_the_others_pass(config: dict[str, Any], tmp_path: Path) -> None:
    tracer = tracer_of(config)
    tracer.record(finished("first"))
    eventually(lambda: tracer.counters.sent == 1)
    database = connect(tracer.settings.clickhouse)
    database.command(f"ALTER TABLE {database.table} ADD CONSTRAINT no_poison CHECK user_agent != 'poison'")
    database.close()

    for number in range(40):
        tracer.record(finished(f"good-{number}"))
        if number in (7, 23):
            tracer.record(finished(f"bad-{number}", headers={"user-agent": "poison"}))
    eventually(lambda: tracer.counters.sent == 41)
    tracer.record(finished("last"))
    eventually(lambda: tracer.counters.sent == 42)
    tracer.close()

    assert_none_lost_none_doubled(config, ["first", "last", *(f"good-{number}" for number in range(40))])
    dead = list((tmp_path / "spool").rglob("dead/*.record"))
    assert sorted(decode_frame(file.read_bytes())["id"] for file in dead) == ["bad-23", "bad-7"]
    assert tracer.counters.dead == 2
    assert all("no_poison" in file.with_suffix(".reason.txt").read_text() for file in dead)
    assert {file.stat().st_mode & 0o777 for file in dead} == {0o600}


def test_a_table_that_somebody_drops_is_made_again(config: dict[str, Any]) -> None:
    tracer = tracer_of(config)
    tracer.record(finished("before"))
    eventually(lambda: tracer.counters.sent == 1)
    database = connect(tracer.settings.clickhouse)
    database.command(f"DROP TABLE {database.table}")
    database.close()

    tracer.record(finished("after"))
    eventually(lambda: tracer.counters.sent == 2)
    tracer.close()

    assert [row["request_id"] for row in rows(config, "request_id")] == ["after"]


def test_a_start_without_any_server_loses_nothing(front: Front, config: dict[str, Any]) -> None:
    front.kill()
    tracer = tracer_of(config)
    tracer.record(finished("early"))
    tracer.close()

    front.start()
    later = tracer_of(config)
    assert_none_lost_none_doubled(config, ["early"])
    later.close()


def test_the_embedded_engine_dies_with_its_process_and_loses_nothing(producers: Producers, tmp_path: Path) -> None:
    config = {
        "clickhouse": {"url": f"chdb://{tmp_path / 'embedded'}", "database": "traces"},
        "flushInterval": 300,
        "spool": {"path": str(tmp_path / "spool"), "sending": "normal"},
    }
    for prefix in ("a", "b", "c"):
        producer = producers.start(config, prefix)
        time.sleep(2.5)
        end(producer)
    finish(producers.start(config, "d", seconds=5))

    # One folder per process: the table is read by its own process.
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from tracer_harness import assert_none_lost_none_doubled\n"
        "print(assert_none_lost_none_doubled(json.loads(sys.argv[2]), open(sys.argv[3]).read().split(), seconds=0))\n"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            os.path.dirname(__file__),
            json.dumps(config),
            str(producers.acknowledged_file),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 1000


def test_waiting_for_the_disk_acknowledges_only_what_is_synced(config: dict[str, Any]) -> None:
    power = {**config, "spool": {**config["spool"], "durability": "power"}}
    tracer = tracer_of(power)
    kept: list[bool] = []
    for number in range(200):
        tracer.record(finished(f"r{number}"), kept.append)
    eventually(lambda: len(kept) == 200)
    tracer.close()

    assert all(kept)
    assert_none_lost_none_doubled(config, [f"r{number}" for number in range(200)])


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_process_that_sends_is_killed_and_started_again(config: dict[str, Any], producers: Producers) -> None:
    producer = producers.start(config, "a", seconds=6, settle=30)
    for _ in range(2):
        time.sleep(2)
        [child] = children(producer.pid)
        os.kill(int(child), signal.SIGKILL)
    figures = finish(producer)

    assert assert_none_lost_none_doubled(config, producers.acknowledged) == figures["submitted"] > 1000


def children(pid: int) -> list[str]:
    """Processes that any thread of this one has started."""
    return [
        child for thread in Path(f"/proc/{pid}/task").iterdir() for child in (thread / "children").read_text().split()
    ]
