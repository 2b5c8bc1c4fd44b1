"""Answers of the administration API, as pages read them."""

from __future__ import annotations

from llm_gateway_sdk.page_host import PAGE_HOST, AdminAnswer, page_host


def test_problem_details_are_read() -> None:
    assert AdminAnswer(404, {"detail": "There is none."}).detail == "There is none."
    assert not AdminAnswer(500).ok
    assert AdminAnswer(500).detail == ""
    assert AdminAnswer(200, {"detail": "x"}).detail == ""


def test_another_server_is_not_a_host() -> None:
    assert page_host({"type": "http"}) is None
    assert page_host({PAGE_HOST: "host"}) == "host"
