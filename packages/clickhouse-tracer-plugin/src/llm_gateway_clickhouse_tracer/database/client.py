"""ClickHouse through one small interface: a server over HTTP, or the engine in this process.

The only importer of clickhouse-connect. Every setting that matters is sent explicitly, for servers differ in their
defaults by age.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import lz4.frame  # type: ignore[import-untyped,unused-ignore]  # comes with clickhouse-connect

from llm_gateway_sdk.wire import json

from ..settings import ClickHouseSettings

__all__ = ["Database", "DatabaseFailure", "connect"]

logger = logging.getLogger(__name__)

# The driver logs a traceback for every failed attempt; here failures are returned, and reported once a minute.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

FailureKind: TypeAlias = Literal["data", "missing", "access", "transient"]

# ClickHouse's ErrorCodes.cpp. `data`: what is in a row can't be stored, however often it is sent.
_DATA_CODES: Final = frozenset(
    {6, 25, 26, 27, 32, 33, 38, 41, 43, 53, 69, 70, 72, 117, 131, 321, 349, 376, 407, 441, 469, 636, 675}
)
_MISSING_CODES: Final = frozenset({16, 60, 81})
_ACCESS_CODES: Final = frozenset({164, 192, 193, 194, 497, 516})

_URL: Final = re.compile(r" with url: \S+| \(for url \S+\)")
"""The HTTP library quotes addresses with all settings in them."""

_CODE: Final = re.compile(r"\bCode:\s*(\d+)")

_INSERT_SETTINGS: Final[dict[str, Any]] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "input_format_skip_unknown_fields": 1,
    "input_format_defaults_for_omitted_fields": 1,
    "input_format_null_as_default": 1,
    "date_time_input_format": "best_effort",
    "input_format_json_read_objects_as_strings": 1,
}


class DatabaseFailure(Exception):
    """`kind` decides what may help: for `data` nothing, for `missing` making the table, for `access` the operator, for
    `transient` time."""

    def __init__(self, message: str, kind: FailureKind, code: int | None = None) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.code = code


class Database:
    """A database. Every method raises DatabaseFailure.

    Over HTTP several threads may use it at once, the embedded engine is used by one at a time.
    """

    def __init__(self, client: Any, settings: ClickHouseSettings) -> None:
        self._client = client
        self._settings = settings

    @property
    def takes_several(self) -> bool:
        """Whether several threads may query at once."""
        return self._settings.embedded_path is None

    @property
    def name(self) -> str:
        return self._settings.database

    @property
    def table(self) -> str:
        """The table's name with its database, quoted."""
        return f"`{self._settings.database}`.`{self._settings.table}`"

    def command(self, sql: str) -> None:
        self._guard(lambda: self._client.command(sql, use_database=False))

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows as dicts. Values come in as `{name:Type}` in the text, never by formatting it."""
        data = self._guard(
            lambda: self._client.raw_query(
                sql,
                parameters=dict(parameters or {}),
                fmt="JSONEachRow",
                use_database=False,
                settings={"output_format_json_quote_64bit_integers": 0, "output_format_json_quote_denormals": 0},
            )
        )
        return [json.loads(line) for line in data.split(b"\n") if line]

    def insert(self, lines: bytes, token: str) -> None:
        """One INSERT of JSON lines. The same token a second time changes nothing."""
        compressed = None if self._settings.embedded_path else "lz4"
        self._guard(
            lambda: self._client.raw_insert(
                self.table,
                # The driver only declares how the block is compressed; compressing it is the caller's part.
                insert_block=lz4.frame.compress(lines) if compressed else lines,
                fmt="JSONEachRow",
                settings={**_INSERT_SETTINGS, "insert_deduplication_token": token},
                compression=compressed,
            )
        )

    def close(self) -> None:
        self._client.close()

    def _guard(self, call: Any) -> Any:
        try:
            return call()
        except Exception as error:  # the driver's errors, and whatever its HTTP library lets through
            raise _failure(error, self._settings) from None


def connect(settings: ClickHouseSettings) -> Database:
    """Connects without naming a database, for it may not exist yet. Raises DatabaseFailure."""
    if (path := settings.embedded_path) is not None:
        return Database(_embedded_client(path), settings)
    return Database(_http_client(settings), settings)


def _http_client(settings: ClickHouseSettings) -> Any:
    import clickhouse_connect

    parts = urlsplit(settings.url)
    secure = parts.scheme == "https"
    arguments: dict[str, Any] = {
        "host": parts.hostname or "localhost",
        "port": parts.port or (8443 if secure else 8123),
        "interface": parts.scheme,
        "autogenerate_session_id": False,
        "connect_timeout": min(10.0, settings.timeout_seconds),
        "send_receive_timeout": settings.timeout_seconds,
        "client_name": "llm-gateway-clickhouse-tracer",
        "query_retries": 0,
    }
    if parts.path.strip("/"):
        arguments["proxy_path"] = parts.path.strip("/")
    if settings.ca_file:
        arguments["ca_cert"] = settings.ca_file
    if settings.access_token:
        arguments["access_token"] = settings.access_token
    else:
        arguments["username"] = settings.username
        arguments["password"] = settings.password
    try:
        return clickhouse_connect.get_client(**arguments)
    except Exception as error:  # see Database._guard
        raise _failure(error, settings) from None


_engines: dict[Path, Any] = {}
_engines_mutex = threading.Lock()


def _embedded_client(path: Path) -> Any:
    """A handle on the engine of this process. There can be one folder per process, and one process per folder."""
    try:
        import chdb  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
    except ImportError:
        raise DatabaseFailure(
            "the embedded ClickHouse is not installed: "
            f"{sys.executable} tools/install.py 'llm-gateway-clickhouse-tracer-plugin[embedded]' (docs/install.md), "
            "or set clickhouse.url to a server",
            "access",
        ) from None
    import clickhouse_connect

    with _engines_mutex:
        if others := [other for other in _engines if other != path]:
            raise DatabaseFailure(f"this process has its embedded ClickHouse at {others[0]} already", "access")
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            client = clickhouse_connect.get_client(interface="chdb", path=str(path))
            # The engine ends with its last handle; starting it again costs a second, so that one is kept.
            _engines.setdefault(path, client)
            return clickhouse_connect.get_client(interface="chdb", path=str(path))
        except Exception as error:  # the engine raises RuntimeError, the driver its own
            if "EmbeddedServer" in str(error) or "lock" in str(error).lower():
                raise DatabaseFailure(
                    f"{path}: another process has this embedded ClickHouse open", "transient"
                ) from None
            raise DatabaseFailure(f"{path}: {error}", "transient") from None


def _failure(error: Exception, settings: ClickHouseSettings) -> DatabaseFailure:
    if isinstance(error, DatabaseFailure):
        return error
    text = str(error)
    for secret in (settings.password, settings.access_token):
        if secret:
            text = text.replace(secret, "[hidden]")
    code = getattr(error, "code", None)
    if not isinstance(code, int):
        match = _CODE.search(text)
        code = int(match[1]) if match else None
    message = f"{settings.place}: {_URL.sub('', text)[:1000]}"
    return DatabaseFailure(message, _kind(code, text), code)


def _kind(code: int | None, text: str) -> FailureKind:
    if code in _DATA_CODES:
        return "data"
    if code in _MISSING_CODES:
        return "missing"
    if code in _ACCESS_CODES:
        return "access"
    if code is None and re.search(r"\b413\b", text):
        return "data"  # a proxy refuses the size: halves may pass
    return "transient"
