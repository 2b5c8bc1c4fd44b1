"""A ClickHouse HTTP endpoint for tests: the real engine (chdb) behind the real wire protocol.

    python engine_front.py --folder DIR [--port N] [--password WORD]

Prints `listening on PORT` when it is ready. Faults are set by `GET /_fault?fail=3&status=503&delay=0.5` and
`drop_after_commit=1`, which closes the connection after an insert was carried out and before its reply.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import http.server
import json
import os
import re
import tempfile
import threading
import time
import uuid
import zlib
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb  # type: ignore[import-not-found,import-untyped,unused-ignore]
import lz4.frame  # type: ignore[import-not-found,import-untyped,unused-ignore]

# Parameters of the HTTP interface; every other one is a setting.
TRANSPORT = frozenset(
    {"query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "user"}
    | {"password", "compress", "decompress", "wait_end_of_query", "buffer_size", "quota_key", "role"}
    | {
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "http_headers_progress_interval_ms",
    }
    | {"send_progress_in_http_headers", "cancel_http_readonly_queries_on_client_close"}
)
INFLATE = {"gzip": gzip.decompress, "lz4": lz4.frame.decompress, "deflate": zlib.decompress}
DEFLATE = {"lz4": lz4.frame.compress, "gzip": gzip.compress}
STATUS = {60: 404, 81: 404, 46: 404, 47: 404, 497: 403, 516: 403, 164: 403, 159: 408, 202: 503, 252: 500}
INSERT = re.compile(rb"\s*INSERT\s+INTO\s.*?\sFORMAT\s+(\w+)[ \t]*(?:\r?\n|;|$)", re.I | re.S)


class Engine:
    def __init__(self, folder: str, password: str) -> None:
        self.folder = folder
        self.password = password
        self.root = chdb.connect(folder)  # the engine ends with its last handle
        self.fault: dict[str, float] = {"fail": 0, "status": 503, "delay": 0.0, "drop_after_commit": 0}
        self.mutex = threading.Lock()

    def run(self, query: dict[str, str], body: bytes, output: str) -> tuple[bytes, dict[str, str]]:
        parameters = {key[6:]: value for key, value in query.items() if key.startswith("param_")}
        connection = chdb.connect(self.folder)
        file = None
        try:
            if query.get("database"):
                connection.query("USE `{}`".format(query["database"].replace("`", "``")))
            for key, value in query.items():
                if key not in TRANSPORT and not key.startswith("param_"):
                    connection.query("SET {} = '{}'".format(key, value.replace("\\", "\\\\").replace("'", "\\'")))
            text = query.get("query", "").encode()
            whole = text + (b"\n" if text and body else b"") + body
            insert = INSERT.match(whole)
            if insert is None:
                result = connection.query(whole.decode(), output, params=parameters)
                return result.bytes() or b"", {"read_rows": str(result.rows_read())}
            handle, file = tempfile.mkstemp()
            with os.fdopen(handle, "wb") as stream:
                stream.write(whole[insert.end() :])
            head = re.sub(r"\sFORMAT\s+\w+[ \t;]*\Z", "", insert.group(0).decode().rstrip(), flags=re.I)
            statement = f"{head} FROM INFILE '{file}' FORMAT {insert.group(1).decode()}"
            result = connection.query(statement, params=parameters)
            return b"", {"written_rows": str(result.rows_read())}
        finally:
            connection.close()
            if file is not None:
                os.unlink(file)

    def take(self, name: str) -> bool:
        with self.mutex:
            if self.fault[name] < 1:
                return False
            self.fault[name] -= 1
            return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as the real server does; a reply of two writes would wait 40 ms for the second
    engine: Engine

    def do_GET(self) -> None:
        self.answer(b"", {})

    def do_POST(self) -> None:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = self.headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            # Where parameters are too long for an address, the driver sends them and the query as a form.
            form = BytesParser().parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body)
            fields = {
                str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True).decode()
                for part in form.get_payload()
            }
            return self.answer(b"", fields)
        return self.answer(body, {})

    def answer(self, body: bytes, fields: dict[str, str]) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True)) | fields
        engine = self.engine
        if url.path == "/ping":
            return self.reply(200, b"Ok.\n")
        if url.path == "/_fault":
            engine.fault.update({key: float(value) for key, value in query.items()})
            return self.reply(200, json.dumps(engine.fault).encode())
        time.sleep(engine.fault["delay"])
        if engine.take("fail"):
            return self.refuse(int(engine.fault["status"]), 202, "Too many queries. (TOO_MANY_SIMULTANEOUS_QUERIES)")
        if self.password(query) != engine.password:
            return self.refuse(403, 516, "default: Authentication failed. (AUTHENTICATION_FAILED)")
        output = self.headers.get("x-clickhouse-format") or query.get("default_format") or "TabSeparated"
        try:
            if encoding := self.headers.get("content-encoding"):
                body = INFLATE[encoding](body)
            payload, summary = engine.run(query, body, output)
        except RuntimeError as error:
            found = re.search(r"Code: (\d+)", str(error))
            code = int(found[1]) if found else 1002
            return self.refuse(
                STATUS.get(code, 400 if code in (6, 26, 27, 41, 62, 117, 115) else 500), code, str(error)
            )
        if "written_rows" in summary and engine.take("drop_after_commit"):
            self.close_connection = True
            self.connection.close()
            return None
        extra = {"x-clickhouse-query-id": query.get("query_id") or str(uuid.uuid4())}
        extra["x-clickhouse-summary"] = json.dumps({**summary, "elapsed_ns": "1"})
        tail = re.search(rb"\sFORMAT\s+(\w+)\s*;?\s*\Z", query.get("query", "").encode() + b"\n" + body[-200:], re.I)
        if payload or tail:
            extra["x-clickhouse-format"] = tail[1].decode() if tail else output
        if query.get("enable_http_compression") == "1" and payload:
            for name, deflate in DEFLATE.items():
                if name in self.headers.get("accept-encoding", ""):
                    payload, extra["content-encoding"] = deflate(payload), name
                    break
        return self.reply(200, payload, extra)

    def password(self, query: dict[str, str]) -> str:
        authorization = self.headers.get("authorization", "")
        if authorization.startswith("Basic "):
            return base64.b64decode(authorization[6:]).decode().partition(":")[2]
        if authorization.startswith("Bearer "):
            return authorization[7:]
        return self.headers.get("x-clickhouse-key") or query.get("password", "")

    def refuse(self, status: int, code: int, text: str) -> None:
        message = text if text.startswith("Code:") else f"Code: {code}. DB::Exception: {text}"
        self.reply(status, f"{message} (version 26.9.2.1)\n".encode(), {"x-clickhouse-exception-code": str(code)})

    def reply(self, status: int, payload: bytes, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "content-type": "text/plain",
            "x-clickhouse-server-display-name": "chdb",
            "x-clickhouse-timezone": "UTC",
            **(extra or {}),
            "content-length": str(len(payload)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password", default="")
    options = parser.parse_args()
    Handler.engine = Engine(options.folder, options.password)
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
