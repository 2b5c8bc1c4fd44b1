"""The tracer's settings: the JSON Schema of its YAML block, and the typed form of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

from llm_gateway_sdk import parse_duration
from llm_gateway_sdk.secrets import is_secret_header

__all__ = [
    "CONFIGURATION_SCHEMA",
    "DEFAULT_REDACTED_HEADERS",
    "Body",
    "CaptureSettings",
    "ClickHouseSettings",
    "DashboardSettings",
    "SpoolSettings",
    "TracerSettings",
]

Body: TypeAlias = Literal["all", "metadata", "none"]
"""`all`: text and figures. `metadata`: figures only (tool names, number of messages). `none`: the body isn't opened."""

Durability: TypeAlias = Literal["memory", "process", "power"]
OnFull: TypeAlias = Literal["dropNewest", "dropOldest", "block"]
Sending: TypeAlias = Literal["idle", "normal"]
"""`idle`: only in the time that nothing else on the machine wants. `normal`: like any other process."""

DEFAULT_REDACTED_HEADERS: Final = frozenset({"openai-organization"})
"""Headers that are never recorded although they are not credentials; those are known by `is_secret_header`."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,127}")

CONFIGURATION_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "clickhouse": {
            "type": "object",
            "additionalProperties": False,
            "description": "Where the traces go.",
            "properties": {
                "url": {
                    "type": "string",
                    "description": "`http(s)://host:port` of a server, or `chdb://folder` for the engine in this"
                    " process (extra `embedded`). Without it: `chdb://./traces`.",
                    "x-doubtful": {
                        r"^https?://[^/]*:(9000|9440)(/|$)": "this is the port of ClickHouse's native "
                        "protocol; that of HTTP is 8123, with TLS 8443",
                        r"^http://[^/]*:8443(/|$)": "8443 is ClickHouse's port with TLS; write https://",
                        r"^https://[^/]*:8123(/|$)": "8123 is ClickHouse's port without TLS; write http://, or "
                        "port 8443",
                        r"^https?://[^/]+/[^/?]": "a path in the address names no database; write `database: …`",
                    },
                },
                "username": {"type": "string", "default": "default", "description": "The user's name."},
                "password": {"type": "string", "description": "The user's password."},
                "access_token": {"type": "string", "description": "A bearer token in place of name and password."},
                "database": {"type": "string", "default": "default", "description": "Made where it does not exist."},
                "table": {"type": "string", "default": "traces", "description": "Made where it does not exist."},
                "caFile": {"type": "string", "description": "Certificates to trust, PEM."},
                "timeout": {
                    "type": ["number", "string"],
                    "default": 30000,
                    "description": "Time for one request to ClickHouse, in ms or with a unit.",
                },
            },
        },
        "tableName": {"type": "string", "description": "An alias of `clickhouse.table`."},
        "flushInterval": {
            "type": ["number", "string"],
            "default": 1000,
            "description": "Milliseconds after which a record is in the table, at the latest.",
        },
        "batchSize": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10000,
            "default": 1000,
            "description": "Maximum number of records in one insert.",
        },
        "retentionDays": {
            "type": "integer",
            "minimum": 0,
            "description": "Days after which ClickHouse drops rows; 0 keeps them forever; absent leaves the table"
            " as it is.",
        },
        "capture": {
            "type": "object",
            "additionalProperties": False,
            "description": "What is kept: `all` is text and figures, `metadata` figures only, `none` nothing of it.",
            "properties": {
                "request": {
                    "enum": ["all", "metadata", "none"],
                    "default": "all",
                    "description": "Of the request as the plugins left it.",
                },
                "response": {
                    "enum": ["all", "metadata", "none"],
                    "default": "all",
                    "description": "Of the reply as the client got it.",
                },
                "original": {
                    "enum": ["all", "metadata", "none"],
                    "default": "none",
                    "description": "`all` keeps the client's body as it arrived, before any plugin changed it.",
                },
                "metadata": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Keys of `ctx.metadata` (dotted) that become tags.",
                },
                "maxBytes": {
                    "type": "integer",
                    "minimum": 1024,
                    "default": 4194304,
                    "description": "Bytes of one body that are kept.",
                },
            },
        },
        "redactHeaders": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names of headers whose values are never recorded, in addition to those that never are.",
        },
        "spool": {
            "type": "object",
            "additionalProperties": False,
            "description": "Where records wait on disk until ClickHouse has them.",
            "properties": {
                "path": {"type": "string", "description": "The folder."},
                "maxBytes": {
                    "type": "integer",
                    "minimum": 65536,
                    "default": 1073741824,
                    "description": "Maximum size in bytes.",
                },
                "onFull": {
                    "enum": ["dropNewest", "dropOldest", "block"],
                    "default": "dropNewest",
                    "description": "What happens to records when it is full.",
                },
                "durability": {
                    "enum": ["memory", "process", "power"],
                    "default": "process",
                    "description": "What an acknowledged record survives: nothing, the process, or a power cut.",
                },
                "sending": {
                    "enum": ["idle", "normal"],
                    "default": "idle",
                    "description": "`idle` sends only in time that nothing else on the machine wants; `normal` competes"
                    " for it.",
                },
            },
        },
        "prices": {
            "type": "object",
            "additionalProperties": False,
            "description": "What tokens cost, in addition to the table that is shipped.",
            "properties": {
                "file": {"type": "string", "description": "A price table in place of the one that is shipped."},
                "models": {
                    "type": "object",
                    "description": "US dollars per million tokens by model name; goes before any table.",
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["input", "output"],
                        "properties": {
                            "input": {"type": "number", "minimum": 0, "description": "Input tokens."},
                            "output": {"type": "number", "minimum": 0, "description": "Output tokens."},
                            "cacheRead": {"type": "number", "minimum": 0},
                            "cacheWrite": {"type": "number", "minimum": 0},
                        },
                    },
                },
            },
        },
        "dashboard": {
            "type": "object",
            "additionalProperties": False,
            "description": "The pages to look at traces, mounted by the gateway.",
            "properties": {
                "enabled": {"type": "boolean", "default": False, "description": "Serve them."},
                "path": {"type": "string", "default": "/traces", "description": "Their path."},
                "credential": {"type": "string", "description": "The password that the dashboard asks for."},
            },
        },
    },
    "examples": [
        {
            "clickhouse": {"url": "http://localhost:8123", "username": "default", "password": "", "database": "traces"},
            "flushInterval": 10000,
        }
    ],
}


@dataclass(slots=True, frozen=True)
class ClickHouseSettings:
    url: str = "chdb://./traces"
    username: str = "default"
    password: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    database: str = "default"
    table: str = "traces"
    ca_file: str | None = None
    timeout_seconds: float = 30.0

    @property
    def embedded_path(self) -> Path | None:
        """Folder of the engine in this process; None for a server."""
        if not self.url.startswith("chdb:"):
            return None
        # `chdb://./traces` is relative, `chdb:///var/traces` absolute: what is after the two slashes is the path.
        return Path(self.url.removeprefix("chdb:").removeprefix("//") or "./traces").expanduser().resolve()

    @property
    def place(self) -> str:
        """The address, for messages."""
        if (path := self.embedded_path) is not None:
            return f"chdb:{path}"
        return self.url

    @property
    def target_id(self) -> str:
        """The same for all gateways that write into the same table: they may send each other's segments."""
        return hashlib.sha256(f"{self.place}\n{self.database}\n{self.table}".encode()).hexdigest()[:12]


@dataclass(slots=True, frozen=True)
class CaptureSettings:
    request: Body = "all"
    response: Body = "all"
    original: Body = "none"
    metadata: tuple[str, ...] = ("prompt_manager.mode", "prompt_manager.experiment", "tags", "experiment", "cache")
    max_bytes: int = 4 << 20
    """Longest text of one body; what is beyond is cut, and `truncated` is set."""


@dataclass(slots=True, frozen=True)
class SpoolSettings:
    path: Path | None = None
    max_bytes: int = 1 << 30
    on_full: OnFull = "dropNewest"
    durability: Durability = "process"
    sending: Sending = "idle"


@dataclass(slots=True, frozen=True)
class DashboardSettings:
    enabled: bool = False
    path: str = "/traces"
    credential: str | None = field(default=None, repr=False)


@dataclass(slots=True, frozen=True)
class TracerSettings:
    clickhouse: ClickHouseSettings = field(default_factory=ClickHouseSettings)
    flush_interval_seconds: float = 1.0
    batch_size: int = 1000
    retention_days: int | None = None
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    redact_headers: frozenset[str] = frozenset()
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    price_file: Path | None = None
    price_overrides: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)

    @property
    def poll_seconds(self) -> float:
        """How often the sender looks for sealed segments."""
        return min(1.0, self.flush_interval_seconds / 10)

    @classmethod
    def load(cls, config: Mapping[str, Any]) -> TracerSettings:
        """Reads a configuration that the schema has accepted. Raises ValueError for what the schema can't say."""
        clickhouse = config.get("clickhouse") or {}
        defaults = ClickHouseSettings()
        url, username, password = _split_url(clickhouse.get("url") or defaults.url)
        server = ClickHouseSettings(
            url=url,
            username=clickhouse.get("username") or username or defaults.username,
            password=clickhouse.get("password") or password,
            access_token=clickhouse.get("access_token") or "",
            database=_identifier("clickhouse.database", clickhouse.get("database") or defaults.database),
            table=_identifier("clickhouse.table", clickhouse.get("table") or config.get("tableName") or defaults.table),
            ca_file=clickhouse.get("caFile"),
            timeout_seconds=_duration("clickhouse.timeout", clickhouse.get("timeout", 30000)),
        )
        if clickhouse.get("table") and config.get("tableName") and clickhouse["table"] != config["tableName"]:
            raise ValueError("tableName and clickhouse.table name different tables; write one of them")
        capture, spool, prices = (config.get(name) or {} for name in ("capture", "spool", "prices"))
        default_capture = CaptureSettings()
        return cls(
            clickhouse=server,
            flush_interval_seconds=max(0.05, _duration("flushInterval", config.get("flushInterval", 1000))),
            batch_size=config.get("batchSize", 1000),
            retention_days=config.get("retentionDays"),
            capture=CaptureSettings(
                request=capture.get("request", "all"),
                response=capture.get("response", "all"),
                original=capture.get("original", "none"),
                metadata=tuple(capture.get("metadata", default_capture.metadata)),
                max_bytes=capture.get("maxBytes", default_capture.max_bytes),
            ),
            redact_headers=frozenset(name.lower() for name in config.get("redactHeaders", ())),
            spool=SpoolSettings(
                path=Path(spool["path"]).expanduser() if spool.get("path") else None,
                max_bytes=spool.get("maxBytes", 1 << 30),
                on_full=spool.get("onFull", "dropNewest"),
                durability=spool.get("durability", "process"),
                sending=spool.get("sending", "idle"),
            ),
            price_file=Path(prices["file"]).expanduser() if prices.get("file") else None,
            price_overrides=prices.get("models") or {},
            dashboard=_dashboard(config.get("dashboard") or {}),
        )

    @property
    def spool_folder(self) -> Path:
        """Where segments wait. Each table has its own folder, so that none adopts what belongs elsewhere."""
        base = self.spool.path
        if base is None:
            state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
            base = Path(state).expanduser() / "llm-gateway" / "trace-spool"
        return base / self.clickhouse.target_id

    def is_redacted(self, header: str) -> bool:
        """Whether the value of this (lower-case) header is never recorded."""
        return header in DEFAULT_REDACTED_HEADERS or header in self.redact_headers or is_secret_header(header)


def _dashboard(config: Mapping[str, Any]) -> DashboardSettings:
    settings = DashboardSettings(
        enabled=config.get("enabled", False),
        path="/" + str(config.get("path", "/traces")).strip("/"),
        credential=config.get("credential") or None,
    )
    if settings.enabled and settings.credential is None:
        raise ValueError(
            "dashboard.credential is missing: the dashboard shows prompts and answers, so it needs a password"
        )
    return settings


def _split_url(url: str) -> tuple[str, str, str]:
    """The address without credentials, and the credentials in it."""
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https", "chdb"):
        raise ValueError(
            f"clickhouse.url: expected an address that begins with http://, https:// or chdb://, found '{_shown(url)}'"
        )
    if scheme == "chdb":
        return url, "", ""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return bare, unquote(parts.username or ""), unquote(parts.password or "")


def _shown(url: str) -> str:
    """Without what may be a password."""
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://…@{after}" if at and "://" in before else after


def _identifier(name: str, value: str) -> str:
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError(f"{name}: '{value}' is not a name that ClickHouse takes (letters, digits, _ and -)")
    return value


def _duration(name: str, value: object) -> float:
    try:
        return parse_duration(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
