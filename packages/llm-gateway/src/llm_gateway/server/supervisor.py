"""Several workers on one address: a supervisor without event loop or plugins opens the sockets, spawns workers, and
passes questions and orders between them.

Workers are spawned, never forked after imports. Each holds a control pipe of JSON lines. A worker that dies is started
again, after a pause that grows when it dies at once.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .listening import open_listeners

if TYPE_CHECKING:
    from .worker import Source

__all__ = ["serve_with_workers"]

log = logging.getLogger("llm_gateway.supervisor")

_START_SECONDS = 60.0
_BEAT_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
"""What workers answer at once in health; a scrape waits no longer for one that hangs."""
_RELOAD_SECONDS = 25.0
_MAX_FAILED_STARTS = 5
"""Starts in a row, before the first that succeeds, after which there is no point in another."""


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: socket.socket
    started: float
    reloads: int = 0
    """Reloads that had been ordered when it was started."""
    ready: bool = False
    ended: bool = False
    buffer: bytes = b""
    answered_at: float = 0.0
    asked_at: float | None = None
    """When it was asked whether its event loop runs; None once it has answered."""
    killed: bool = False
    figures: dict[str, Any] | None = None
    """The last that it reported of its metrics."""


@dataclass(slots=True)
class _Question:
    """One worker asked all; answers are gathered and sent back together."""

    asker: int
    number: int
    what: str
    missing: set[int]
    due: float
    """When it is answered without those who are late."""
    answers: dict[str, Any] = field(default_factory=dict)


def serve_with_workers(
    result: Source, *, host: str, port: int, workers: int, reload: bool, log_level: str | None
) -> int:
    """Runs until a signal ends it; the exit code is 0 after an orderly end, 2 where no worker could start."""
    alone = _single_process_plugins(result)
    if alone:
        print(
            f"--workers {workers}: {', '.join(alone)} can't run in several processes; use --workers 1.", file=sys.stderr
        )
        return 2
    listeners = open_listeners(host, port)
    for listener in listeners:
        listener.set_inheritable(True)
    shown = f"[{host}]" if ":" in host else host
    log.info("listening on http://%s:%d with %d workers", shown, listeners[0].getsockname()[1], workers)
    patience = result.config.server.worker_timeout_seconds
    return _Supervisor(result.source, listeners, workers, reload=reload, log_level=log_level, patience=patience).run()


def _single_process_plugins(result: Source) -> list[str]:
    found = []
    for project in result.config.projects.values():
        for plugin in project.plugins:
            if result.extensions.get("plugin", plugin.type).cls.is_single_process(plugin.config):
                found.append(f"plugin '{plugin.name}' ({plugin.type})")
    return sorted(set(found))


class _Supervisor:
    def __init__(
        self,
        source: Path | None,
        listeners: list[socket.socket],
        workers: int,
        *,
        reload: bool,
        log_level: str | None,
        patience: float,
    ) -> None:
        self._source = source
        self._listeners = listeners
        self._patience = patience
        """Seconds without an answer after which a worker is taken for hung; 0 waits for ever."""
        self._failed_starts = 0
        self._wanted = workers
        self._watch = reload
        self._log_level = log_level
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._questions: dict[int, _Question] = {}
        self._next_question = 0
        self._reloads = 0
        self._stopping = 0
        self._stopping_since = 0.0
        self._pause = 0.0
        self._restart_at: list[float] = []
        self._ever_ready = False
        self._failed = False
        self._ended_figures: dict[str, Any] | None = None

    def run(self) -> int:
        wake_read, wake_write = socket.socketpair()
        wake_read.setblocking(False)
        wake_write.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno())
        for handled in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(handled, lambda *_: None)
        self._selector.register(wake_read, selectors.EVENT_READ, "signals")
        for _ in range(self._wanted):
            self._spawn()
        stamp = self._stamp()
        while self._workers or self._restart_at:
            for key, _ in self._selector.select(timeout=0.5):
                if key.data == "signals":
                    for number in wake_read.recv(4096):
                        self._on_signal(number)
                else:
                    self._read(key.data)
            self._reap()
            now = time.monotonic()
            due = [moment for moment in self._restart_at if moment <= now]
            self._restart_at = [moment for moment in self._restart_at if moment > now]
            if not self._stopping:
                for _ in due:
                    self._spawn()
            self._settle_late(now)
            self._look_after(now)
            if self._failed and not self._stopping:
                self._stop(signal.SIGTERM)
            if self._watch and not self._stopping and (changed := self._stamp()) != stamp:
                stamp = changed
                self._ask_all(0, 0, "reload")
        if self._stopping:
            log.info("stopped after %.1f s: all workers have ended", time.monotonic() - self._stopping_since)
        return 2 if self._failed else 0

    # Workers.

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        listening = [listener.fileno() for listener in self._listeners]
        descriptors = (*listening, theirs.fileno())
        arguments = [
            sys.executable, "-m", "llm_gateway.server.worker_main",
            ",".join(map(str, listening)), str(theirs.fileno()), str(self._wanted),
            str(self._source) if self._source is not None else "",
            self._log_level or "",
        ]  # fmt: skip
        process = subprocess.Popen(arguments, pass_fds=descriptors, start_new_session=True)
        theirs.close()
        ours.setblocking(False)
        self._workers[process.pid] = _Worker(process, ours, time.monotonic(), self._reloads)
        self._selector.register(ours, selectors.EVENT_READ, process.pid)

    def _reap(self) -> None:
        for pid, worker in list(self._workers.items()):
            code = worker.process.poll()
            if code is None:
                continue
            if not worker.ended:
                self._selector.unregister(worker.pipe)
            worker.pipe.close()
            del self._workers[pid]
            for number, question in list(self._questions.items()):
                question.missing.discard(pid)
                self._settle(number, question)
            if self._stopping:
                self._restart_at.clear()
                continue
            if code == 2 and not self._ever_ready:
                self._failed = True  # the configuration can't be served; the worker has printed why
                continue
            lived = time.monotonic() - worker.started
            if not worker.ready and not self._ever_ready:
                self._failed_starts += 1
                if self._failed_starts >= _MAX_FAILED_STARTS:
                    log.error("no worker could start; giving up after %d tries", self._failed_starts)
                    self._failed = True
                    continue
            self._pause = 0.0 if lived > 10 else min(max(0.2, self._pause * 2), 10.0)
            log.error("worker %d ended with %d after %.1f s; another is started", pid, code, lived)
            self._keep_figures(worker)
            self._restart_at.append(time.monotonic() + self._pause)

    def _keep_figures(self, worker: _Worker) -> None:
        """Counters may not fall when a worker dies; what it counted after it was last asked is lost."""
        from ..monitoring.snapshots import retire

        self._ended_figures = retire(self._ended_figures, worker.figures)

    def _look_after(self, now: float) -> None:
        """Replaces workers that do not answer: something holds their event loop, or the process is stopped.

        A worker that drains, or is starting, is asked nothing; starting has a limit too.
        """
        if not self._patience or self._stopping:
            return
        for pid, worker in self._workers.items():
            if not worker.ready:
                if now - worker.started > _START_SECONDS and not worker.killed:
                    log.error("worker %d was not ready after %g s; it is replaced", pid, _START_SECONDS)
                    self._kill(worker)
            elif worker.asked_at is None:
                if now - worker.answered_at >= min(_BEAT_SECONDS, self._patience / 4):
                    worker.asked_at = now
                    self._send(pid, {"beat": True})
            elif now - worker.asked_at > self._patience and not worker.killed:
                log.error("worker %d has not answered for %g s; it is replaced", pid, now - worker.asked_at)
                self._kill(worker)

    def _kill(self, worker: _Worker) -> None:
        worker.killed = True
        worker.process.kill()  # a stopped process takes no other signal

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop(number)
        elif number == signal.SIGHUP:
            self._ask_all(0, 0, "reload")

    def _stop(self, number: int) -> None:
        """The first time workers drain; the second they end at once, as they do for a second signal of their own."""
        self._stopping += 1
        if self._stopping == 1:
            self._stopping_since = time.monotonic()
            log.info("stopping: %d workers end what they have begun", len(self._workers))
        for listener in self._listeners:
            listener.close()  # workers close theirs: new connections are refused at once
        for worker in self._workers.values():
            worker.process.send_signal(signal.SIGTERM if self._stopping < 3 else signal.SIGKILL)
        if self._stopping == 2:
            log.warning("second signal: ending now")

    # The control pipe.

    def _read(self, pid: int) -> None:
        worker = self._workers.get(pid)
        if worker is None:
            return
        try:
            data = worker.pipe.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            worker.ended = True  # the process has ended, or is about to
            self._selector.unregister(worker.pipe)
            return
        *lines, worker.buffer = (worker.buffer + data).split(b"\n")
        for line in lines:
            self._take(pid, worker, json.loads(line))

    def _take(self, pid: int, worker: _Worker, message: dict[str, Any]) -> None:
        if "beat" in message:
            worker.asked_at, worker.answered_at = None, time.monotonic()
        elif "ready" in message:
            worker.ready = self._ever_ready = True
            worker.answered_at = time.monotonic()
            if worker.reloads != self._reloads:
                # It may have read the configuration before it was changed.
                self._ask({pid}, 0, 0, "reload")
        elif "ask" in message:
            self._ask_all(pid, message["number"], message["ask"])
        elif "answer" in message:
            question = self._questions.get(message["number"])
            if question is not None:
                if question.what == "metrics":
                    worker.figures = message["answer"]
                question.answers[str(pid)] = message["answer"]
                question.missing.discard(pid)
                self._settle(message["number"], question)

    def _ask_all(self, asker: int, number: int, what: str) -> None:
        if what == "reload":
            self._reloads += 1
        self._ask({pid for pid, worker in self._workers.items() if worker.ready}, asker, number, what)

    def _ask(self, ready: set[int], asker: int, number: int, what: str) -> None:
        self._next_question += 1
        due = time.monotonic() + (_RELOAD_SECONDS if what == "reload" else _ANSWER_SECONDS)
        question = self._questions[self._next_question] = _Question(asker, number, what, set(ready), due)
        for pid in ready:
            self._send(pid, {"question": what, "number": self._next_question})
        self._settle(self._next_question, question)

    def _settle_late(self, now: float) -> None:
        """Answers without the workers that are late: of one that hangs the last known figures count."""
        for number, question in list(self._questions.items()):
            if now < question.due:
                continue
            from ..monitoring.snapshots import counters_of

            for pid in question.missing:
                worker = self._workers.get(pid)
                if question.what == "metrics":
                    if worker is not None and worker.figures is not None:
                        question.answers[f"{pid} (late)"] = counters_of(worker.figures)
                elif question.what == "reload":
                    question.answers[str(pid)] = {"error": "the worker did not answer in time"}
            question.missing.clear()
            self._settle(number, question)

    def _settle(self, number: int, question: _Question) -> None:
        if question.missing or number not in self._questions:
            return
        del self._questions[number]
        if question.what == "metrics" and self._ended_figures is not None:
            question.answers["ended"] = self._ended_figures
        if question.asker in self._workers:
            self._send(question.asker, {"answers": question.answers, "number": question.number})

    def _send(self, pid: int, message: dict[str, Any]) -> None:
        pipe = self._workers[pid].pipe
        data = json.dumps(message).encode() + b"\n"
        try:
            pipe.settimeout(1.0)
            pipe.sendall(data)
        except OSError as error:
            log.error("worker %d can't be reached: %s", pid, error)
        finally:
            pipe.setblocking(False)

    def _stamp(self) -> tuple[int, int] | None:
        if self._source is None:
            return None
        try:
            found = os.stat(self._source)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
