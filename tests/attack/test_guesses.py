"""Wrong credentials of the administration count together, wherever they are tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from under_attack import Attacked, Provider, free_port, model

KEY = "an-administration-key-of-some-length"
ALLOWED = 20
"""Wrong credentials of one address within a minute."""


def by_bearer(attacked: Attacked, base: str, path: str, key: str) -> int:
    # Without `trustProxy` the address is that of the connection, whatever a client writes.
    headers = {"authorization": f"Bearer {key}", "x-forwarded-for": f"192.0.2.{len(key)}, {key[-1]}.1.1.1"}
    return attacked.http.get(base + path, headers=headers).status_code


def by_header(attacked: Attacked, base: str, path: str, key: str) -> int:
    return attacked.http.get(base + path, headers={"x-api-key": key}).status_code


def by_console(attacked: Attacked, base: str, path: str, key: str) -> int:
    reply = attacked.http.post("/console/sign-in", data={"credential": key})
    return 200 if reply.status_code == 303 else reply.status_code


PLACES: dict[str, tuple[Callable[[Attacked, str, str, str], int], str]] = {
    "pages": (by_bearer, "/admin/config/version"),
    "pages, other header": (by_header, "/admin/breakers"),
    "pages, slash": (by_bearer, "/admin/config/version/"),
    "API": (by_bearer, "/admin/v1/store"),
    "API, other header": (by_header, "/admin/v1/openapi.json"),
    "API, no such page": (by_bearer, "/admin/v1/nothing"),
    "console": (by_console, ""),
}


def start(attack: Callable[..., Attacked], provider: Provider, *, port: int | None) -> tuple[Attacked, str]:
    admin = {"enabled": True, "apiKey": KEY} | ({} if port is None else {"port": port})
    config = {
        "models": [model("chat", provider.url)],
        "admin": admin,
        "plugins": [{"name": "console", "type": "console"}],
    }
    attacked = attack(config)
    return attacked, attacked.url if port is None else f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("own_port", [False, True])
def test_guesses_at_all_doors_are_counted_together(
    own_port: bool, attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    attacked, base = start(attack, provide(), port=free_port() if own_port else None)
    doors = list(PLACES.values())

    statuses = []
    for number in range(ALLOWED + len(doors)):
        door, path = doors[number % len(doors)]
        statuses.append(door(attacked, base, path, f"wrong-{number}"))
    right = {name: door(attacked, base, path, KEY) for name, (door, path) in PLACES.items()}

    assert statuses == [401] * ALLOWED + [429] * len(doors)
    assert set(right.values()) == {429}, "who has guessed so often is not heard"


def test_who_has_one_credential_cannot_try_others_without_end(
    attack: Callable[..., Attacked], provide: Callable[..., Provider]
) -> None:
    viewer = "a-key-of-a-viewer-of-some-length"
    attacked = attack(
        {
            "models": [model("chat", provide().url)],
            "admin": {
                "enabled": True,
                "apiKey": KEY,
                "credentials": [{"name": "watching", "role": "viewer", "key": viewer}],
            },
            "plugins": [{"name": "console", "type": "console"}],
        }
    )
    doors = [PLACES["API"], PLACES["console"]]

    def try_all(key: str) -> set[int]:
        return {door(attacked, attacked.url, path, key) for door, path in doors}

    assert try_all(viewer) == {200}
    for number in range(ALLOWED):
        try_all(f"wrong-{number}")

    assert try_all(KEY) == {429}, "a right guess is not heard either"
    assert try_all(viewer) == {200}
