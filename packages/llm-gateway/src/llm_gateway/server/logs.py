"""The process's log as configured: readable or JSON lines, to the console or a file, secrets masked."""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import sys
import time
import traceback
from typing import ClassVar

from ..config.schema import LoggingConfig

__all__ = ["configure_logging"]

_SECRET = re.compile(
    r"(?i)((?:authorization|x-api-key|x-goog-api-key|api-key|apikey|api_key|password|access_token)[\"']?\s*[:=]\s*[\"']?"
    r"(?:bearer\s+)?)([^\s\"',}]+)|\b(sk-[A-Za-z0-9_-]{6})[A-Za-z0-9_-]{6,}"
)


def configure_logging(config: LoggingConfig, level: str | None = None) -> None:
    """Sets up the root logger, once per process. `level` is what the command line asked for."""
    formatter = _JSONFormatter() if config.format == "json" else _SimpleFormatter()
    handlers: list[logging.Handler] = []
    for destination in config.destinations:
        if destination == "file" and config.file_path:
            handlers.append(logging.handlers.WatchedFileHandler(config.file_path, encoding="utf-8"))
        elif destination == "console":
            handlers.append(logging.StreamHandler(sys.stderr))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel((level or config.level).upper())
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("httpx", "httpcore", "asyncio", "uvicorn", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for name, wanted in config.levels.items():
        logging.getLogger(name).setLevel(wanted.upper())


def _mask(text: str) -> str:
    return _SECRET.sub(lambda match: f"{match[1]}***" if match[1] else f"{match[3]}***", text)


class _SimpleFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return _mask(super().format(record))


class _JSONFormatter(logging.Formatter):
    _standard: ClassVar[frozenset[str]] = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({key: value for key, value in vars(record).items() if key not in self._standard})
        if record.exc_info:
            entry["error"] = "".join(traceback.format_exception(*record.exc_info)).strip()
        return _mask(json.dumps(entry, default=str, ensure_ascii=False))
