"""Names in the paths of routes."""

from __future__ import annotations

import pytest

from llm_gateway.wire.route_paths import path_expression


@pytest.mark.parametrize(
    ("route", "path", "names"),
    [
        ("/v1/models/{model}", "/v1/models/gpt-5", {"model": "gpt-5"}),
        ("/v1/models/{model}", "/v1/models/meta-llama/Llama-3:free", {"model": "meta-llama/Llama-3:free"}),
        ("/m/{model}:embed", "/m/a:b:embed", {"model": "a:b"}),
        ("/m/{model}:embed", "/m/a:generate", None),
        ("/v1/models/{model}", "/v1/models/", None),
        ("/v1.0/{id}", "/v1x0/a", None),
        ("/v1/{id}/content", "/v1/a\nb/content", {"id": "a\nb"}),
        ("/v1/{id}", "/v1/a\n", {"id": "a\n"}),
    ],
)
def test_a_name_is_all_that_is_in_its_place(route: str, path: str, names: dict[str, str] | None) -> None:
    found = path_expression(route).fullmatch(path)

    assert (found and found.groupdict()) == names
