"""Names of OpenTelemetry's conventions: spelled as its registry spells them, each once."""

from __future__ import annotations

import re

from llm_gateway.extensions import installed
from llm_gateway.monitoring import conventions

NAMES = {name: value for name, value in vars(conventions).items() if name.isupper() and isinstance(value, str)}
BUCKETS = {name: value for name, value in vars(conventions).items() if name.endswith("_BUCKETS")}


def test_names_are_dotted_lower_case_and_differ() -> None:
    assert [value for value in NAMES.values() if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", value)] == []
    assert len(set(NAMES.values())) == len(NAMES)


def test_stable_names_are_those_of_the_installed_package() -> None:
    semconv = __import__("pytest").importorskip("opentelemetry.semconv.attributes")
    import importlib

    known: set[str] = set()
    for module in ("error_attributes", "http_attributes", "server_attributes", "service_attributes", "url_attributes",
                   "user_agent_attributes"):  # fmt: skip
        found = importlib.import_module(f"{semconv.__name__}.{module}")
        known |= {value for value in vars(found).values() if isinstance(value, str)}
    stable = {conventions.ERROR_TYPE, conventions.SERVER_ADDRESS, conventions.HTTP_RESPONSE_STATUS_CODE,
              conventions.URL_PATH, conventions.USER_AGENT, conventions.SERVICE_NAME}  # fmt: skip

    assert stable <= known


def test_buckets_rise() -> None:
    assert BUCKETS
    assert [name for name, bounds in BUCKETS.items() if list(bounds) != sorted(set(bounds))] == []


def test_only_providers_that_exist_are_renamed() -> None:
    assert set(conventions.PROVIDERS) <= set(installed().names("provider"))
