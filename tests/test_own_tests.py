"""Who changes a file finds a small test of its name: `limits/rules.py` has `test_rules.py` in its package."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

PACKAGES = Path(__file__).resolve().parent.parent / "packages"

WITHIN: dict[str, tuple[str, str]] = {
    "*/request_encoder.py": ("test_request.py", "what is read is written again, in one test"),
    "*/stream_encoder.py": ("test_stream.py", "what is read is written again, in one test"),
    "*/dialect.py": ("test_laws.py", "the laws call each method of a dialect"),
    "*/parts.py": ("test_request.py", "parts are read and written within messages"),
    "*/dialects/*/messages.py": ("test_request.py", "messages are read and written within requests"),
    "*/dialects/*/tools.py": ("test_request.py", "tools are read and written within requests"),
    "*/dialects/*/fields.py": ("test_request.py", "fields are read within requests"),
    "*/dialects/*/input.py": ("test_request.py", "items are read and written within requests"),
    "*/dialects/*/open_items.py": ("test_stream.py", "items are open within a stream"),
    "*/dialects/*/usage.py": ("test_response.py", "counts are a part of replies"),
    "*/exchange/realtime/turns.py": ("test_session.py", "turns are those of a session"),
    "*/exchange/realtime/session_*.py": ("test_session.py", "with which model, and within which bounds"),
    "*/dialects/anthropic/versions.py": ("test_request.py", "two constants"),
}
"""Source files whose subject can't be looked at alone: where their tests are, and why."""

NOT_YET = """
llm_gateway/exchange/attempts.py
llm_gateway/exchange/batches.py
llm_gateway/exchange/delivery/chunks.py
llm_gateway/exchange/delivery/direct.py
llm_gateway/exchange/delivery/forward.py
llm_gateway/exchange/exchange.py
llm_gateway/exchange/operations.py
llm_gateway/exchange/reply_texts.py
llm_gateway/exchange/services.py
llm_gateway/exchange/side_calls.py
llm_gateway/exchange/upstream.py
llm_gateway/gateway.py
llm_gateway/providers/transport/aiohttp_engine.py
llm_gateway/providers/transport/reply.py
llm_gateway/server/admin_core.py
llm_gateway/server/app.py
llm_gateway/server/control.py
llm_gateway/server/supervisor.py
llm_gateway/server/worker.py
llm_gateway/server/worker_main.py
llm_gateway_clickhouse_tracer/dashboard/conversation.py
llm_gateway_clickhouse_tracer/frames.py
llm_gateway_clickhouse_tracer/tracer.py
llm_gateway_redis_store/connections.py
llm_gateway_redis_store/scripts.py
llm_gateway_redis_store/testing.py
llm_gateway_regex_hider/automaton.py
llm_gateway_regex_hider/bodies.py
llm_gateway_regex_hider/program.py
llm_gateway_sdk/calling.py
llm_gateway_sdk/http.py
llm_gateway_sdk/testing/store_laws.py
""".split()  # noqa: SIM905
"""Source files whose behaviour is tested through a larger whole alone. A new file does not go here: it gets a test."""


def test_each_source_file_has_a_test_of_its_name() -> None:
    missing = set()
    for source in sorted(PACKAGES.glob("*/src")):
        tests = {path.name for path in (source.parent / "tests").rglob("test_*.py")}
        for path in source.rglob("*.py"):
            name = path.relative_to(source).as_posix()
            elsewhere = any(
                PurePosixPath(name).match(pattern) and test in tests for pattern, (test, _) in WITHIN.items()
            )
            if path.name not in ("__init__.py", "__main__.py") and f"test_{path.name}" not in tests and not elsewhere:
                missing.add(name)

    assert sorted(missing - set(NOT_YET)) == []
    assert sorted(set(NOT_YET) - missing) == [], "these have a test now: take them off the list"
