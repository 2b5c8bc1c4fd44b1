"""What the operating system knows: CPU time and memory of a process group, versions, load."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["PeakMemory", "cpu_seconds", "describe", "processes", "resident_mb", "say_version"]

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def processes(session: int) -> dict[int, list[str]]:
    """The living processes of a session and their descendants, which may have sessions of their own; each with the
    fields of /proc/PID/stat after its name."""
    living: dict[int, list[str]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2 :].split()
        if fields[0] != "Z":
            living[int(entry)] = fields
    found = {pid: fields for pid, fields in living.items() if int(fields[3]) == session}
    while True:
        more = {pid: fields for pid, fields in living.items() if int(fields[1]) in found and pid not in found}
        if not more:
            return found
        found.update(more)


def cpu_seconds(session: int) -> float:
    """User and system time, threads and children that have ended included."""
    return sum(sum(map(int, fields[11:15])) for fields in processes(session).values()) / _TICK


def resident_mb(session: int) -> float:
    """Resident set sizes added up: what several processes share is counted in each."""
    return sum(int(fields[21]) for fields in processes(session).values()) * _PAGE / 1e6


class PeakMemory(threading.Thread):
    """Looks ten times a second, from entering to leaving the `with` block."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._over = threading.Event()
        self.mb = 0.0

    def run(self) -> None:
        while not self._over.is_set():
            self.mb = max(self.mb, resident_mb(self._session))
            self._over.wait(0.25)

    def __enter__(self) -> PeakMemory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def say_version(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "not found"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def describe() -> dict[str, object]:
    """The machine, for the head of a file of results."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.machine())
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * _PAGE / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
