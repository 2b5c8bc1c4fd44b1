import pytest

from llm_gateway.wire.native_paths import is_listed


@pytest.mark.parametrize(
    ("path", "listed", "expected"),
    [
        ("/v1/files", ["/files"], True),
        ("/files/file-1", ["/v1/files"], True),
        ("/v1/filesystem", ["/files"], False),
        ("/v1beta/cachedContents", ["cachedContents"], True),
        ("/v1/responses/resp_1", ["/v1/responses/*"], True),
        ("/v1/files", [], False),
    ],
)
def test_a_listed_path_covers_what_is_below_it(path, listed, expected):
    assert is_listed(path, listed) is expected
