"""The page of limits: meters, the ledger, and where use leads."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from llm_gateway_console.pages.limits import forecast, ledger_table

DAY = 86400.0


def test_use_is_shown_in_the_ledger(operator: Any) -> None:
    headers = {
        "cookie": f"llm_gateway_console={operator.cookies['llm_gateway_console']}",
        "x-llm-gateway-console": operator.token,
    }
    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    assert operator.gateway.post("/v1/chat/completions", ask, headers=headers).status == 200

    page = operator.get("/limits")
    assert page.status == 200
    assert "No project has the plugin limits" not in page.text


def test_the_ledger_shows_how_much_is_not_exact() -> None:
    row = {"limit": "month", "measure": "cost", "subject": {"team": "red"}, "window": "month@UTC"}
    amounts = {"amount": 3 * 10**9, "partial": 5 * 10**8, "estimated": 10**9}

    shown = str(ledger_table([{**row, **amounts}], {}))
    plain = str(ledger_table([{**row, "amount": 3 * 10**9, "partial": 0, "estimated": 0}], {}))

    assert "$3.0000" in shown
    assert "$0.5000 partial, $1.0000 estimated" in shown
    assert "partial" not in plain
    assert "estimated" not in plain


def test_meters_name_keys(admin: Any) -> None:
    admin.post("/keys", {"token": admin.token, "name": "nightly report"})
    made = admin.post("/keys", {"token": admin.token, "name": "billing service"})
    secret = re.search(r'id="made-key"[^>]*>([^<]+)<', made.text)
    assert secret is not None
    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {secret[1]}"}
    assert admin.gateway.post("/v1/chat/completions", ask, headers=headers).status == 200

    ends = time.monotonic() + 10
    while "1 of 3 requests" not in (text := admin.get("/limits").text) and time.monotonic() < ends:
        time.sleep(0.05)

    assert "key billing service" in text
    assert "1 of 3 requests" in text
    assert 'low="0.8" high="0.999" optimum="0"' in text, "amber from 80 %, red only when full"


def test_the_answer_why_a_request_was_refused_is_above_the_limits(admin: Any) -> None:
    page = admin.get("/limits?request=req_unknown").text

    assert page.index("Why was this refused?") < page.index("Use of each limit")


def test_a_refusal_is_explained_in_sentences(admin: Any) -> None:
    made = admin.post("/keys", {"token": admin.token, "name": "nightly batch"})
    secret = re.search(r'id="made-key"[^>]*>([^<]+)<', made.text)
    assert secret is not None
    ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {secret[1]}"}
    answers = [admin.gateway.post("/v1/chat/completions", ask, headers=headers) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]

    request = answers[-1].headers["x-request-id"]
    ends = time.monotonic() + 10
    while "refused it" not in (text := admin.get(f"/limits?request={request}").text) and time.monotonic() < ends:
        time.sleep(0.05)
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", text))
    assert "The limit few of key nightly batch refused it: 3 of 3 requests were used" in words
    assert "Would have passed: a limit of at least 4 requests, or waiting " in words


@pytest.mark.parametrize(
    ("settled", "ends", "window", "now", "expected"),
    [
        (10, DAY, "day@UTC", DAY / 2, 20),
        (10, DAY, "day@UTC", DAY / 1000, None),
        (10, None, "lifetime", 5, None),
        (10, DAY, "3600s", DAY / 2, None),
        (10, DAY, "day@UTC", 2 * DAY, None),
    ],
)
def test_a_forecast_goes_on_as_in_this_window(
    settled: float, ends: float | None, window: str, now: float, expected: float | None
) -> None:
    assert forecast(settled, ends, window, now) == expected
