from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.providers.transport.head import encode_head, prepare


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://api.example", "api.example", "/"),
        ("https://API.example:443/v1?", "api.example", "/v1?"),
        ("http://api.example:8080/v1?a=b#c", "api.example:8080", "/v1?a=b"),
        ("http://[::1]:80/a%20b", "[::1]", "/a%20b"),
    ],
)
def test_urls_are_taken_apart(url: str, authority: str, path: str) -> None:
    target = prepare(url)
    assert (target.origin.authority, target.path) == (authority, path)


def test_own_host_header_replaces_the_url_s() -> None:
    start = prepare("http://a/v1").add_start("POST")
    assert encode_head(start, [("Host", "b"), ("x", "y")], 0) == (
        b"POST /v1 HTTP/1.1\r\nhost: b\r\nx: y\r\ncontent-length: 0\r\n\r\n"
    )


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=12)), max_size=6))
def test_head_has_a_line_per_header_or_is_refused(headers: list[tuple[str, str]]) -> None:
    start = prepare("http://a/").add_start("POST")
    try:
        head = encode_head(start, headers, 3)
    except ValueError:
        return
    assert head.endswith(b"\r\n\r\n")
    assert len(head[:-4].split(b"\r\n")) <= 3 + len(headers)
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
