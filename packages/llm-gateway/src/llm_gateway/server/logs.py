"""The process's log as configured: readable or JSON lines, to the console or a file, each with the id of its request,
secrets masked."""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import sys
import time
import traceback
from collections.abc import Iterable
from typing import Any, ClassVar

from llm_gateway_sdk import ConfigError, ConfigProblem

from ..config.schema import LoggingConfig
from ..config.secrets import secret_values
from ..exchange.log_context import current_request_id, words_are_hidden

__all__ = ["configure_logging", "mask_secrets_of"]

MIN_SECRET = 8
"""Characters. Anything shorter would be found in innocent words, and is not a secret."""
_NOISY = (
    "asyncio", "azure", "botocore", "google", "httpcore", "httpx", "msal", "opentelemetry", "urllib3",
)  # fmt: skip
"""Libraries that write lines for every call."""
_OWN = "llm_gateway"
"""How the names of all modules of this project begin, its built-in plugins included."""


def configure_logging(config: LoggingConfig, level: str | None = None) -> None:
    """Sets up the root logger, once per process. `level` is what the command line asked for.

    Raises ConfigError where the file can't be written.
    """
    formatter = _JSONFormatter() if config.format == "json" else _SimpleFormatter()
    handlers: list[logging.Handler] = []
    for destination in config.destinations:
        if destination == "file" and config.file_path:
            handlers.append(_file(config.file_path))
        elif destination == "console":
            handlers.append(logging.StreamHandler(sys.stderr))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    named = _Named(config.levels)
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(named)
        root.addHandler(handler)
    root.setLevel((level or config.level).upper())
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    for name, wanted in config.levels.items():
        logging.getLogger(name).setLevel(wanted.upper())


class _Named(logging.Filter):
    """Leaves out lines for debugging of foreign modules, which may have messages, bodies and headers in them. Only
    those that `logging.levels` names write such."""

    def __init__(self, levels: Iterable[str]) -> None:
        super().__init__()
        self._levels = tuple(levels)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.INFO or record.name.startswith(_OWN):
            return True
        return any(record.name == name or record.name.startswith(f"{name}.") for name in self._levels)


def _file(path: str) -> logging.Handler:
    """A file that may be rotated from outside."""
    try:
        # Half a letter, which UTF-8 can't write, is written as an escape, as the console does: the line is not lost.
        return logging.handlers.WatchedFileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        problem = ConfigProblem(f"'{path}' can't be written: {error.strerror}", path="logging.file_path")
        raise ConfigError([problem]) from None


# Secrets.

_PATTERNS = re.compile(
    r"""
    (?P<header>
        (?i:authorization|x-api-key|x-goog-api-key|set-cookie|cookie|x-amz-security-token|x-amz-signature)
        (?:["']?\s*[:=]\s*["']?|["']\s*,\s*b?["'])
        (?i:(?:bearer|basic)\s+)?
      )[^\s"',;&}\])]+
    | (?P<setting>
        (?i:api[-_]?key|password|passwd|secret|(?:access|session|refresh)[-_]?token)["']?\s*[:=]\s*["']?
      )(?=[^\s"',;&}\])]*\d|[^\s"',;&}\])]{16})[^\s"',;&}\])]+
    | (?P<scheme>(?i:bearer|basic)\s+)(?=\S*\d|\S{16})[A-Za-z0-9._~+/=-]{8,}
    | (?P<query>[?&](?i:key|api_key|token|access_token)=)[^\s&"']+
    | (?P<user>://[^\s/:@"']*:)[^\s/@"']+(?=@)
    | (?P<known>\b(?:sk-|gsk_|xai-|AIza|AKIA|ASIA|ghp_|hf_|pplx-|eyJ)[A-Za-z0-9_-]{3})[A-Za-z0-9_.-]{9,}
    """,
    re.VERBOSE,
)
"""What looks like a credential. Settings are named in messages too, so that a word after one is not a credential."""

_HINTS = (
    "authorization", "api-key", "api_key", "apikey", "cookie", "x-amz-s", "passw", "secret", "accesstoken",
    "access_token", "access-token", "sessiontoken", "session_token", "session-token", "refreshtoken", "refresh_token",
    "refresh-token", "bearer ", "basic ", "key=", "token=", "://", "sk-", "gsk_", "xai-", "aiza", "akia", "asia",
    "ghp_", "hf_", "pplx-", "eyj",
)  # fmt: skip
"""A line that can match has one of these in lower case. Asking for them is ten times as fast as the pattern."""

_configured: re.Pattern[str] | None = None
_known: set[str] = set()


def mask_secrets_of(config: object) -> None:
    """From now on the secrets of this configuration are masked wherever they are in a line."""
    global _configured
    _known.update(value for value in secret_values(config) if len(value) >= MIN_SECRET)
    # A secret may be inside JSON or a Python value, escaped.
    written = {form for value in _known for form in (value, repr(value)[1:-1])}
    forms = written | {json.dumps(form)[1:-1] for form in written}
    if forms:
        _configured = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))


def _mask(text: str) -> str:
    if _configured is not None:
        text = _configured.sub("***", text)
    lower = text.lower()
    if any(hint in lower for hint in _HINTS):
        text = _PATTERNS.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}***"


# Lines.

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_CONTROL_IN_JSON = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


_WITHHELD = "(its text is left out: plugins edit this request)"


def _traceback(error: BaseException) -> str:
    """Of a request that plugins edit, without what the exceptions quote."""
    if not words_are_hidden.get():
        return "".join(traceback.format_exception(error)).strip()
    found: list[str] = []
    shown: BaseException | None = error
    while shown is not None and len(found) < _MAX_CAUSES:
        kind = type(shown)
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(shown.__traceback__)]
        found.append(f"{''.join(lines)}{kind.__module__}.{kind.__qualname__}: {_WITHHELD}")
        shown = shown.__cause__ or shown.__context__
    return "\n\nThen, on account of it:\n\n".join(reversed(found))


_MAX_CAUSES = 10


class _SimpleFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatException(self, ei: Any) -> str:
        return _traceback(ei[1])

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        request_id = current_request_id.get()
        if request_id is not None and request_id not in line:
            first, separator, rest = line.partition("\n")
            line = f"{first}  [{request_id}]{separator}{rest}"
        # What a client sends may neither begin another line nor steer a terminal.
        return _mask(line.translate(_CONTROL).replace("\n", "\n  "))


class _JSONFormatter(logging.Formatter):
    _standard: ClassVar[frozenset[str]] = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _mask(record.getMessage()),  # before it is escaped
        }
        request_id = current_request_id.get()
        if request_id is not None:
            entry["request_id"] = request_id
        entry.update({key: value for key, value in vars(record).items() if key not in self._standard})
        if "summary" in entry:
            entry["message"] = entry.pop("summary")  # the same in words as another field has as an object
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = _mask(_traceback(record.exc_info[1]))
        return _mask(json.dumps(entry, default=str, ensure_ascii=False).translate(_CONTROL_IN_JSON))
