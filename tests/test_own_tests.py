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
    "*/exchange/batches/calls.py": ("test_settling.py", "calls are made by who settles"),
    "*/exchange/batches/intake.py": ("test_uploads.py", "what is taken in is served in one test"),
    "*/exchange/batches/listing.py": ("test_uploads.py", "what is listed was uploaded"),
    "*/exchange/batches/ownership.py": ("test_uploads.py", "what is found was uploaded"),
    "*/testing/counter_laws.py": ("test_store_laws.py", "all laws of a store are broken in one test"),
    "*/testing/rate_laws.py": ("test_store_laws.py", "all laws of a store are broken in one test"),
    "*/testing/concurrency_laws.py": ("test_store_laws.py", "all laws of a store are broken in one test"),
    "*/testing/document_laws.py": ("test_store_laws.py", "all laws of a store are broken in one test"),
    "*/testing/store_under_test.py": ("test_store_laws.py", "what laws are tried on"),
    "*/dialects/anthropic/versions.py": ("test_request.py", "two constants"),
}
"""Source files whose subject can't be looked at alone: where their tests are, and why."""

THROUGH: dict[str, tuple[str, str]] = {
    "llm_gateway/exchange/delivery/direct.py": (
        "packages/llm-gateway/tests/providers/test_echo.py",
        "a provider's own replies",
    ),
    "llm_gateway/exchange/delivery/forward.py": ("tests/reliability/test_cut_streams.py", "streams cut anywhere"),
    "llm_gateway/exchange/exchange.py": ("tests/reliability/test_fallback.py", "the order of all the others"),
    "llm_gateway/exchange/operations.py": ("tests/endpoints/test_accounting.py", "every endpoint in turn"),
    "llm_gateway/exchange/side_calls.py": ("tests/compatibility/test_side_endpoints.py", "needs all APIs"),
    "llm_gateway/exchange/upstream.py": ("tests/reliability/test_time_limits.py", "needs a slow provider"),
    "llm_gateway/gateway.py": ("tests/end_to_end/test_http_surface.py", "puts all the others together"),
    "llm_gateway/providers/transport/aiohttp_engine.py": (
        "packages/llm-gateway/tests/providers/transport/test_engine.py",
        "all engines pass them",
    ),
    "llm_gateway/server/admin_core.py": (
        "packages/llm-gateway/tests/server/test_admin_api.py",
        "the administration API's own routes",
    ),
    "llm_gateway/server/app.py": ("packages/llm-gateway/tests/server/test_serving.py", "puts the server together"),
    "llm_gateway/server/control.py": ("tests/reliability/test_workers.py", "needs several processes"),
    "llm_gateway/server/supervisor.py": ("tests/reliability/test_workers.py", "needs several processes"),
    "llm_gateway/server/worker.py": ("tests/reliability/test_workers.py", "needs several processes"),
    "llm_gateway_clickhouse_tracer/tracer.py": (
        "packages/clickhouse-tracer-plugin/tests/test_plugin.py",
        "puts the tracer together",
    ),
    "llm_gateway_sdk/http.py": ("packages/llm-gateway-sdk/tests/testing/test_provider_harness.py", "protocols alone"),
}
"""Source files whose behaviour is tested through a larger whole: by which test, and why. A new file gets a test."""


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

    assert sorted(missing - set(THROUGH)) == []
    assert sorted(set(THROUGH) - missing) == [], "these have a test now: take them off the list"
    assert [test for test, _ in THROUGH.values() if not (PACKAGES.parent / test).is_file()] == []
