"""Which pages may call, and what their scripts may read."""

from __future__ import annotations

import re
from pathlib import Path

from llm_gateway.config.schema import CorsConfig
from llm_gateway.server.cors import Cors
from llm_gateway_sdk import Headers


def cors(**settings: object) -> Cors:
    return Cors(CorsConfig.model_validate(settings))


def test_another_origin_gets_nothing_but_the_hint_for_caches() -> None:
    page = cors(origins=["https://app.example"])

    assert page.headers("https://evil.example") == [(b"vary", b"Origin")]
    assert page.preflight("https://evil.example", Headers()) == [(b"vary", b"Origin")]
    assert not page.allows("https://evil.example")


def test_a_named_origin_is_answered_by_its_name() -> None:
    answer = dict(cors(origins=["https://app.example"]).headers("https://app.example"))

    assert answer[b"access-control-allow-origin"] == b"https://app.example"
    assert b"x-request-id" in answer[b"access-control-expose-headers"]


def test_a_star_with_credentials_names_the_origin_that_asks() -> None:
    # The Fetch standard refuses `*` together with credentials.
    answer = dict(cors(origins=["*"], credentials=True).headers("https://any.example"))

    assert answer[b"access-control-allow-origin"] == b"https://any.example"
    assert answer[b"access-control-allow-credentials"] == b"true"


def test_a_preflight_is_allowed_the_headers_that_it_asks_for() -> None:
    asked = Headers([("access-control-request-headers", "x-stainless-os, authorization")])

    answer = dict(cors(origins=["*"], headers=[]).preflight("https://app.example", asked))

    assert answer[b"access-control-allow-headers"] == b"x-stainless-os, authorization"


def test_scripts_may_read_each_header_that_the_gateway_adds_to_replies() -> None:
    exposed = dict(cors(origins=["https://a.example"]).headers("https://a.example"))[b"access-control-expose-headers"]
    packages = Path(__file__).parents[3]
    written = {
        name
        for source in packages.glob("*/src/**/*.py")
        for name in re.findall(
            r'(?:\(b|headers\[|headers\.set\()"(x-llm-gateway-[a-z-]+)"[,\]]', source.read_text(encoding="utf-8")
        )
    }

    assert len(written) > 5
    assert written <= set(exposed.decode().split(", "))
