"""Keys of certain models get no other at endpoints that are handed on, however it is written."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from under_attack import Attacked, Provider, Reply, model

ADMIN = {"authorization": "Bearer an-administration-key-of-some-length"}
VIDEOS = "/openai/v1/videos"
OBJECT = '{"prompt": "x", "model": "other"}'


def form(*fields: tuple[str, str]) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return "".join([*parts, "--b--\r\n"]).encode()


JSON, FORM, FIELDS = "application/json", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded"
REFUSED = {
    "plain": (JSON, OBJECT.encode()),
    "space": (JSON, f" {OBJECT}".encode()),
    "line end": (JSON, f"\n{OBJECT}".encode()),
    "byte order mark": (JSON, b"\xef\xbb\xbf" + OBJECT.encode()),
    "UTF-16": (JSON, OBJECT.encode("utf-16")),
    "twice": (JSON, b'{"model": "mine", "model": "other"}'),
    "capitals": (JSON, b'{"Model": "other"}'),
    "list": (JSON, f"[{OBJECT}]".encode()),
    "list as model": (JSON, b'{"model": ["other"]}'),
    "broken": (JSON, OBJECT[:-1].encode()),
    "comment": (JSON, f"/**/{OBJECT}".encode()),
    "text": ("text/plain", OBJECT.encode() + b"."),
    "form": (FORM, form(("prompt", "x"), ("model", "other"))),
    "form, capitals": (FORM, form(("Model", "other"))),
    "form, twice": (FORM, form(("model", "mine"), ("model", "other"))),
    "form, cut off": (FORM, form(("model", "other"))[:-8]),
    "fields": (FIELDS, b"prompt=x&model=other"),
    "fields, twice": (FIELDS, b"model=mine&model=other"),
}
TAKEN = {
    "nothing": (JSON, b""),
    "no model": (JSON, b'{"prompt": "x"}'),
    "plain": (JSON, b'{"model": "mine"}'),
    "space": (JSON, b' {"model": "mine"}'),
    "form": (FORM, form(("prompt", "x"), ("model", "mine"))),
    "fields": (FIELDS, b"model=mine"),
}


@pytest.fixture(scope="module")
def provider(provide: Callable[..., Provider]) -> Provider:
    return provide(lambda _: Reply({"id": "video_1"}))


@pytest.fixture(scope="module")
def attacked(attack: Callable[..., Attacked], provider: Provider) -> Attacked:
    return attack(
        {
            "nativePaths": ["/v1/videos", "/v1/videos/*", "/v1/models/*"],
            "models": [model("chat", provider.url, "other"), model("chat", provider.url, "mine")],
            "admin": {"enabled": True, "apiKey": ADMIN["authorization"].removeprefix("Bearer ")},
            "plugins": [{"name": "made", "type": "virtual-keys"}],
        }
    )


@pytest.fixture(scope="module")
def narrowed(attacked: Attacked) -> dict[str, str]:
    """Headers with a key of one model, which is not the first."""
    made = attacked.http.post("/admin/v1/keys", headers=ADMIN, json={"name": "ann", "models": ["mine"]})
    return {"x-api-key": made.json()["key"]}


@pytest.mark.parametrize("case", REFUSED)
def test_no_other_model_is_reached(case: str, attacked: Attacked, narrowed: dict[str, str], provider: Provider) -> None:
    kind, body = REFUSED[case]
    provider.sent.clear()

    reply = attacked.http.post(VIDEOS, content=body, headers={**narrowed, "content-type": kind})

    assert (reply.status_code, provider.sent) == (403, [])
    assert "may use certain models only" in reply.text or "not open to this caller" in reply.text


@pytest.mark.parametrize("path", [f"{VIDEOS}?model=other", "/openai/v1/models/other/generate"])
def test_nor_by_the_address(path: str, attacked: Attacked, narrowed: dict[str, str], provider: Provider) -> None:
    provider.sent.clear()

    reply = attacked.http.post(path, json={"model": "mine"}, headers=narrowed)

    assert (reply.status_code, provider.sent) == (403, [])


@pytest.mark.parametrize("case", TAKEN)
def test_the_own_model_is(case: str, attacked: Attacked, narrowed: dict[str, str], provider: Provider) -> None:
    kind, body = TAKEN[case]
    provider.sent.clear()

    reply = attacked.http.post(VIDEOS, content=body, headers={**narrowed, "content-type": kind})

    assert (reply.status_code, len(provider.sent)) == (200, 1)


def test_a_file_goes_to_no_provider_of_other_models(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    """Of the providers that have files it is the first whose models the caller may use."""
    theirs, own = provide(), provide(lambda _: Reply({"id": "file_1", "object": "file"}))
    attacked = attack(
        {
            "models": [model("chat", theirs.url, "other"), model("chat", own.url, "mine")],
            "admin": {"enabled": True, "apiKey": ADMIN["authorization"].removeprefix("Bearer ")},
            "plugins": [{"name": "made", "type": "virtual-keys"}],
        }
    )

    def upload(*models: str) -> int:
        made = attacked.http.post("/admin/v1/keys", headers=ADMIN, json={"name": "ann", "models": models}).json()
        file = {"file": ("a.pdf", b"%PDF", "application/pdf")}
        headers = {"x-api-key": made["key"]}
        reply = attacked.http.post("/openai/v1/files", files=file, data={"purpose": "user_data"}, headers=headers)
        return reply.status_code

    assert upload("mine") == 200
    assert upload("none") == 403
    assert (len(own.sent), len(theirs.sent)) == (1, 0), json.dumps([sent.path for sent in theirs.sent])
