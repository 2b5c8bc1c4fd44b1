"""`llm-gateway` as a separate process for tests, forked from one that has imported everything already.

A start costs 0.4 s of processor time, nearly all of it for imports, which is much for a suite that starts hundreds of
gateways. The standard library's fork server pays it once for each process of a test run. What is forked has no other
part in the tests: its environment, folder, output and module path are those of a fresh `python -m llm_gateway`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_READ_BY_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
"""Beginnings of the names of variables that are read when an interpreter starts: what is forked can't take them."""


class _Forked:
    """What is used of `subprocess.Popen`, for a process of the fork server."""

    def __init__(self, arguments: list[str], files: list[Path], folder: Path, environ: dict[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["llm_gateway.testing.prepared"])
        given = (arguments, files, folder, environ, _plain_path())
        self._process = context.Process(target=_run, args=given, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("llm-gateway", timeout or 0)
        return status


class GatewayProcess:
    """`llm-gateway ARGUMENTS` with the methods of `subprocess.Popen` that tests use.

    What it prints goes to the file `output`, and its errors too where `errors` names no other. Both are written anew
    unless `append` is set. It is started by an interpreter where `env` has variables that only a new one reads, or
    where `fork` is False: a forked one has in memory whatever is installed.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        output: Path | None = None,
        errors: Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        append: bool = False,
        fork: bool = True,
    ) -> None:
        environ = dict(os.environ if env is None else env)
        folder = cwd or Path.cwd()
        files = [Path(os.devnull) if output is None else output.absolute()]
        files.append(files[0] if errors is None else errors.absolute())
        if not append:
            for file in files:
                file.write_bytes(b"")
        self._process: _Forked | subprocess.Popen[bytes]
        if fork and not _read_at_start(environ):
            self._process = _Forked(list(arguments), files, folder, environ)
        else:
            command = [sys.executable, "-m", "llm_gateway", *arguments]
            with files[0].open("ab") as out, files[1].open("ab") as err:
                self._process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=err)
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal. Raises `subprocess.TimeoutExpired`."""
        return self._process.wait(timeout)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_command(
    arguments: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """`llm-gateway ARGUMENTS` to its end, with what it printed. Raises `subprocess.TimeoutExpired`."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        process = GatewayProcess(arguments, output=output, errors=errors, cwd=cwd, env=env)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        command = ["llm-gateway", *arguments]
        return subprocess.CompletedProcess(command, status, output.read_text(), errors.read_text())


def _read_at_start(environ: Mapping[str, str]) -> set[str]:
    """The variables with another value than here that an interpreter reads when it starts."""
    names = {name for name in {*environ, *os.environ} if name.startswith(_READ_BY_THE_INTERPRETER)}
    return {name for name in names if environ.get(name) != os.environ.get(name)}


@cache
def _plain_path() -> list[str]:
    """The module path of an interpreter that was just started, without what tests have added."""
    command = [sys.executable, "-c", "import sys; print('\\n'.join(sys.path[1:]))"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _run(arguments: list[str], files: list[Path], folder: Path, environ: dict[str, str], path: list[str]) -> None:
    """In the forked process."""
    for descriptor, file in enumerate(files, 1):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    sys.path[:] = [str(folder), *path]
    sys.argv = ["llm-gateway", *arguments]
    runpy.run_module("llm_gateway", run_name="__main__", alter_sys=True)
