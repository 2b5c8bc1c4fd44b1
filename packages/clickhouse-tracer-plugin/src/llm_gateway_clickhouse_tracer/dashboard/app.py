"""The dashboard as an ASGI application without a framework, and as a small separate server for the command line.

Only GET and HEAD are served, and only from one's own origin: the pages may load nothing but their own style sheet and
script. Everything that came from a prompt is escaped.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import http.server
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from llm_gateway_sdk.guesses import GuessLimit
from llm_gateway_sdk.web import SAFE_HEADERS, static_file
from llm_gateway_sdk.wire import json

from ..database.client import Database, DatabaseFailure
from ..database.schema import open_database
from ..settings import TracerSettings
from . import finding, queries, sessions
from .csv_export import CSV_COLUMNS, csv_lines
from .filter import SESSION_SORTS, Filter
from .frame import message_page
from .interaction import interaction_page
from .listing import interactions_page, tail_event
from .overview import overview_page
from .session_list import sessions_page
from .tail import Tail

__all__ = ["Dashboard", "Reply", "dashboard_app", "serve"]

logger = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

TAIL: Final = "/tail"
_EVENTS: Final = {"content-type": "text/event-stream; charset=utf-8"}
_TAIL_STEPS: Final = 8
_TAIL_PAUSE_SECONDS: Final = 2.0

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_QUERIES_AT_ONCE: Final = 4
_SHOWN: Final = 12
_MOST_FIGURES: Final = 10_000
_BREAKDOWNS: Final = ("provider", "model", "team", "caller", "project", "status")


@dataclass(slots=True)
class Reply:
    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/html; charset=utf-8"})


class Dashboard:
    """Answers requests; may be called from several threads. `base` is the path below which it is mounted."""

    def __init__(
        self,
        settings: TracerSettings,
        *,
        credential: str | None = None,
        open_database: Callable[[], Database] | None = None,
        guarded: bool = False,
    ) -> None:
        """`guarded`: the caller has made sure of who is asking, and no credential is asked for."""
        self._settings = settings
        self._credential = credential
        self._guarded = guarded
        self._open_database = open_database or (lambda: _open(settings))
        self._guesses = GuessLimit()
        self._mutex = threading.Lock()
        self._database: Database | None = None

    def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], *, base: str = "", address: str = ""
    ) -> Reply:
        """`headers` by lower-case name; `address` is the client's. Never raises for what a client or the database
        does."""
        if refusal := self.refusal(method, headers, address):
            return refusal
        try:
            return self._route(path, dict(parse_qsl(query, keep_blank_values=True)), base, _origin(headers, base))
        except DatabaseFailure as failure:
            self._forget_database()
            logger.warning("the dashboard got no answer from ClickHouse: %s", failure)
            return _page(message_page(base, "ClickHouse does not answer", str(failure)), 503)

    def refusal(self, method: str, headers: Mapping[str, str], address: str) -> Reply | None:
        """Why a request is not answered; None where it is."""
        if method not in ("GET", "HEAD"):
            return Reply(405, b"Only GET is served here.\n", {"content-type": "text/plain", "allow": "GET, HEAD"})
        if self._guarded:
            return None
        if self._credential is None:
            # Without a password only this machine may ask, and no page elsewhere may have its name point here.
            if (urlsplit(f"//{headers.get('host', '')}").hostname or "") in _LOOPBACK:
                return None
            return Reply(
                403, b"Without a credential the dashboard answers on localhost only.\n", {"content-type": "text/plain"}
            )
        given = headers.get("authorization", "")
        refused = bool(given) and self._guesses.refuses(address, given)
        if not refused and _is_right(given, self._credential):
            self._guesses.succeeded(address, given)
            return None
        if refused or (given and self._guesses.failed(address)):
            wait = {"content-type": "text/plain", "retry-after": "60"}
            return Reply(429, b"Too many wrong passwords from this address.\n", wait)
        challenge = {
            "content-type": "text/plain",
            "www-authenticate": 'Basic realm="LLM Gateway traces", charset="UTF-8"',
        }
        return Reply(401, b"The dashboard asks for its password.\n", challenge)

    def _route(self, path: str, query: Mapping[str, str], base: str, origin: str) -> Reply:
        match path.strip("/").split("/"):
            case [""]:
                return self._overview(Filter.load(query), base)
            case ["interactions"]:
                chosen, database = Filter.load(query), self._connected()
                page, total, offered = _together(
                    database,
                    partial(finding.interactions, database, chosen, thorough=query.get("thorough") == "1"),
                    partial(finding.found, database, chosen),
                    partial(queries.choices, database, chosen),
                )
                return _page(interactions_page(base, chosen, page, offered, total))
            case ["sessions"]:
                return self._sessions(Filter.load(query, SESSION_SORTS), base)
            case ["interactions", interaction]:
                rows = finding.rounds(self._connected(), unquote(interaction))
                if rows:
                    return _page(interaction_page(base, unquote(interaction), rows, origin))
            case ["requests", request_id, name] if name in ("request.json", "response.json", "original.json"):
                return self._body(unquote(request_id), name.removesuffix(".json"), base)
            case ["export.jsonl"]:
                return self._export(query)
            case ["records.jsonl"]:
                rows = finding.charged(self._connected(), Filter.load(query))
                body = b"".join(json.dumps(row) + b"\n" for row in rows)
                return Reply(200, body, {"content-type": "application/x-ndjson"})
            case ["figures.json"] if query.get("by") in _BREAKDOWNS:
                return self._figures(Filter.load(query), query["by"], with_last=query.get("last") == "1")
            case ["series.json"]:
                return self._series(Filter.load(query))
            case ["failures.json"]:
                return _json(queries.failures(self._connected(), Filter.load(query)))
            case ["export.csv"]:
                return self._csv(query)
            case ["static", name] if (found := static_file(name)) is not None:
                return Reply(200, found[0], {"content-type": found[1], "cache-control": "private, max-age=300"})
        return _page(message_page(base, "Not found", "There is nothing at this address."), 404)

    def _overview(self, chosen: Filter, base: str) -> Reply:
        database = self._connected()
        before = chosen.before_it(time.time())
        over_time, interactions, gaps, parts, teams, callers, offered, earlier, statuses = _together(
            database,
            partial(queries.over_time, database, chosen, "provider"),
            partial(queries.interactions, database, chosen),
            partial(queries.gaps, database, chosen),
            partial(queries.breakdowns, database, chosen, ("model", "project", "status")),
            partial(queries.breakdown, database, chosen, "team"),
            partial(queries.breakdown, database, chosen, "caller"),
            partial(queries.choices, database, chosen),
            partial(queries.totals, database, before),
            partial(queries.outcomes, database, chosen),
        )
        parts = {**parts, "provider": over_time.values[:_SHOWN], "team": teams, "caller": callers}
        sums = {**over_time.whole, "interactions": interactions, **gaps}
        return _page(
            overview_page(
                base,
                chosen,
                sums,
                over_time.points,
                {name: parts[name] for name in _BREAKDOWNS},
                offered,
                earlier=earlier,
                statuses=statuses,
                providers=over_time.lines,
            )
        )

    def _sessions(self, chosen: Filter, base: str) -> Reply:
        database = self._connected()
        rows, total, offered = _together(
            database,
            partial(sessions.sessions, database, chosen),
            partial(sessions.found, database, chosen),
            partial(queries.choices, database, chosen),
        )
        return _page(sessions_page(base, chosen, rows, offered, total))

    def _figures(self, chosen: Filter, field: str, *, with_last: bool) -> Reply:
        database = self._connected()
        figures = partial(queries.breakdown, database, chosen, field, most=_MOST_FIGURES, timed=False)
        asked: list[Callable[[], Any]] = [figures]
        if with_last:
            asked.append(partial(queries.last_seen, database, chosen, field))
        rows, *last = _together(database, *asked)
        for row in rows if last else ():
            row["last"] = last[0].get(row["name"])
        return _json(rows)

    def _series(self, chosen: Filter) -> Reply:
        database = self._connected()
        now = time.time()
        start, end, bucket = chosen.span(now)
        points, statuses = _together(
            database, partial(queries.series, database, chosen), partial(queries.outcomes, database, chosen)
        )
        span = {"start": start, "first": chosen.begins(now), "end": end, "bucket": bucket}
        return _json({**span, "points": points, "statuses": statuses})

    def _body(self, request_id: str, name: str, base: str) -> Reply:
        row = next(
            (row for row in finding.rounds(self._connected(), request_id) if row["request_id"] == request_id), None
        )
        if row is None or not row[name]:
            return _page(message_page(base, "Not found", "This request has no such body."), 404)
        disposition = f'attachment; filename="{name}.json"'
        return Reply(200, row[name].encode(), {"content-type": "application/json", "content-disposition": disposition})

    def _export(self, query: Mapping[str, str]) -> Reply:
        rows = finding.export(self._connected(), Filter.load(query), query.get("interaction", ""))
        disposition = 'attachment; filename="traces.jsonl"'
        headers = {"content-type": "application/x-ndjson", "content-disposition": disposition}
        return Reply(200, (json.dumps(row) + b"\n" for row in rows), headers)

    def _csv(self, query: Mapping[str, str]) -> Reply:
        rows = finding.export(self._connected(), Filter.load(query), query.get("interaction", ""), CSV_COLUMNS)
        disposition = 'attachment; filename="requests.csv"'
        return Reply(
            200, csv_lines(rows), {"content-type": "text/csv; charset=utf-8", "content-disposition": disposition}
        )

    def tail(self, query: str, base: str, *, resumed: bool) -> Callable[[], bytes]:
        """A function that gives the next event of a live list each time it is called."""
        chosen = Filter.load(dict(parse_qsl(query)))
        reader = Tail(self._connected, chosen, resumed=resumed)

        def step() -> bytes:
            try:
                return tail_event(base, chosen, reader.step())
            except DatabaseFailure as failure:
                self._forget_database()
                logger.warning("the live list got no answer from ClickHouse: %s", failure)
                return b": no answer\n\n"

        return step

    def _connected(self) -> Database:
        with self._mutex:
            if self._database is None:
                self._database = self._open_database()
            return self._database

    def _forget_database(self) -> None:
        with self._mutex:
            if self._database is not None:
                self._database.close()
            self._database = None

    def close(self) -> None:
        self._forget_database()


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value), {"content-type": "application/json"})


def _together(database: Database, *queries: Callable[[], Any]) -> list[Any]:
    """The answers in the order of the queries. A server gets some at a time: each waits for the network and disk."""
    if not database.takes_several:
        return [query() for query in queries]
    with ThreadPoolExecutor(_QUERIES_AT_ONCE, thread_name_prefix="dashboard") as pool:
        return list(pool.map(lambda query: query(), queries))


def dashboard_app(config: Mapping[str, Any] | TracerSettings, *, guarded: bool = False) -> ASGIApp:
    """The dashboard of a tracer's configuration, for mounting in another application.

    It asks for `dashboard.credential` (as the password of HTTP Basic, any name, or as a bearer token); without one it
    answers requests for localhost only. With `guarded` it asks for nothing: the application that mounts it does. Raises
    ValueError where the configuration is not valid.
    """
    settings = config if isinstance(config, TracerSettings) else TracerSettings.load(config)
    dashboard = Dashboard(settings, credential=settings.dashboard.credential, guarded=guarded)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        base = str(scope.get("root_path", "")).rstrip("/")
        path = str(scope["path"]).removeprefix(base)
        query = scope.get("query_string", b"").decode("latin-1")
        fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        address = str((scope.get("client") or ("",))[0])
        if path == TAIL and scope["method"] == "GET" and not dashboard.refusal("GET", fields, address):
            await _send_tail(dashboard.tail(query, base, resumed="last-event-id" in fields), send)
            return
        reply = await asyncio.to_thread(
            dashboard.answer, scope["method"], path, query, fields, base=base, address=address
        )
        headers = [(name.encode(), value.encode()) for name, value in {**SAFE_HEADERS, **reply.headers}.items()]
        chunks: Iterator[bytes] = iter([reply.body]) if isinstance(reply.body, bytes) else reply.body
        if isinstance(reply.body, bytes):
            headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if scope["method"] != "HEAD":
            while (chunk := await asyncio.to_thread(_next_chunk, chunks)) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def serve(settings: TracerSettings, host: str, port: int, *, credential: str | None = None) -> http.server.HTTPServer:
    """A separate server, not yet running: call `serve_forever`."""
    dashboard = Dashboard(settings, credential=credential)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if url.path == TAIL and not dashboard.refusal(self.command, headers, str(self.client_address[0])):
                self._tail(dashboard.tail(url.query, "", resumed="last-event-id" in headers))
                return
            reply = dashboard.answer(self.command, url.path, url.query, headers, address=str(self.client_address[0]))
            self.send_response(reply.status)
            for name, value in {**SAFE_HEADERS, **reply.headers}.items():
                self.send_header(name, value)
            if isinstance(reply.body, bytes):
                self.send_header("content-length", str(len(reply.body)))
            else:
                self.send_header("connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                chunks: Iterable[bytes] = [reply.body] if isinstance(reply.body, bytes) else reply.body
                for chunk in chunks:
                    self.wfile.write(chunk)

        def _tail(self, step: Callable[[], bytes]) -> None:
            self.send_response(200)
            for name, value in {**SAFE_HEADERS, **_EVENTS, "connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # the reader has left
                for _ in range(_TAIL_STEPS):
                    self.wfile.write(step())
                    time.sleep(_TAIL_PAUSE_SECONDS)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    return server


def _open(settings: TracerSettings) -> Database:
    return open_database(settings)


def _origin(headers: Mapping[str, str], base: str) -> str:
    """The gateway's address as the reader's browser knows it. Pages without a gateway around them name an example."""
    host = headers.get("host", "")
    if not base or not host:
        return "https://gateway.example.com"
    return f"{headers.get('x-forwarded-proto', 'http')}://{host}"


def _page(html: str, status: int = 200) -> Reply:
    return Reply(status, html.encode(errors="replace"))


async def _send_tail(step: Callable[[], bytes], send: Send) -> None:
    """Server-sent events for a while. The browser then asks again: so a gateway that stops does not wait for readers,
    and who has signed out sees no more."""
    headers = [(name.encode(), value.encode()) for name, value in {**SAFE_HEADERS, **_EVENTS}.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(_TAIL_STEPS):
        event = await asyncio.to_thread(step)
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.sleep(_TAIL_PAUSE_SECONDS)
    await send({"type": "http.response.body", "body": b""})


def _next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    """Several rows at once, for each is a trip through the event loop."""
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        if len(gathered) >= 65536:
            break
    return bytes(gathered) or None


def _is_right(authorization: str, credential: str) -> bool:
    scheme, _, value = authorization.partition(" ")
    given = value.strip()
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.encode(), credential.encode())
