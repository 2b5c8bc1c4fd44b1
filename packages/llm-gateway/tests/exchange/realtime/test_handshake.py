"""Both handshakes: what a client must send, and what a provider's answer means."""

from __future__ import annotations

import asyncio

import pytest
from websockets.frames import Frame

from llm_gateway.exchange.realtime.handshake import Refusal, accept_client, open_session
from llm_gateway_sdk import InvalidRequest, ModelConnectionError, ModelProtocolError

GOOD = [
    ("host", "g"),
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
]


def test_the_key_is_answered_as_the_standard_has_it() -> None:
    found = dict(accept_client("/v1/realtime", GOOD, max_message=100).headers)

    assert found[b"sec-websocket-accept"] == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
    assert b"sec-websocket-protocol" not in found


def test_of_the_subprotocols_only_the_known_one_is_chosen() -> None:
    offered = [*GOOD, ("sec-websocket-protocol", "other, realtime")]

    handshake = accept_client("/v1/realtime", offered, max_message=100)

    assert dict(handshake.headers)[b"sec-websocket-protocol"] == b"realtime"
    assert list(handshake.subprotocols) == ["realtime"]
    none = accept_client("/v1/realtime", [*GOOD, ("sec-websocket-protocol", "other")], max_message=100)
    assert b"sec-websocket-protocol" not in dict(none.headers)


@pytest.mark.parametrize("name", ["sec-websocket-key", "sec-websocket-version", "upgrade", "connection"])
@pytest.mark.parametrize("value", [None, "", "x"], ids=["left out", "empty", "other"])
def test_a_handshake_that_is_not_valid_is_the_clients_error(name: str, value: str | None) -> None:
    headers = [item for item in GOOD if item[0] != name] + ([] if value is None else [(name, value)])

    with pytest.raises(InvalidRequest, match="handshake"):
        accept_client("/v1/realtime", headers, max_message=100)


class Provider:
    """Answers the handshake with a given text, in which `{accept}` becomes the right answer to the key."""

    def __init__(self, answer: str, rest: bytes = b"") -> None:
        self._answer = answer
        self._rest = rest
        self.sent = b""
        self._read = False

    async def write(self, data: bytes) -> None:
        self.sent += data

    async def read(self) -> bytes:
        if self._read:
            return b""
        self._read = True
        from websockets.utils import accept_key

        key = next(
            line for line in self.sent.decode().splitlines() if line.lower().startswith("sec-websocket-key")
        ).split(": ")[1]
        return self._answer.replace("{accept}", accept_key(key)).encode() + self._rest

    def close(self) -> None: ...

    def abort(self) -> None: ...


ACCEPTED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {accept}\r\n\r\n"
)


def opened(
    provider: Provider, *headers: tuple[str, str], url: str = "https://host:8443/v1/realtime?model=m"
) -> list[bytes]:
    async def main() -> list[bytes]:
        _, early = await open_session(provider, url, headers, ["realtime"], max_message=1000, seconds=5)
        return [bytes(event.data) for event in early if isinstance(event, Frame)]

    return asyncio.run(main())


def test_frames_that_come_with_the_answer_are_kept() -> None:
    provider = Provider(ACCEPTED, b"\x81\x02hi")

    assert opened(provider, ("authorization", "Bearer k"), ("content-type", "text/plain")) == [b"hi"]
    sent = provider.sent.decode()
    assert sent.startswith("GET /v1/realtime?model=m HTTP/1.1\r\nHost: host:8443\r\n")
    assert "authorization: Bearer k" in sent
    assert "content-type" not in sent


def test_a_refusal_is_the_providers_own_reply() -> None:
    body = '{"error": {"message": "no"}}'
    answer = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    with pytest.raises(Refusal) as refused:
        opened(Provider(answer))
    assert (refused.value.status, refused.value.body) == (429, body.encode())
    assert ("retry-after", "3") in refused.value.headers


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ACCEPTED.replace("{accept}", "wrong"), ModelProtocolError),
        (ACCEPTED.replace("websocket\r\nC", "h2c\r\nC"), ModelProtocolError),
        ("SMTP ready\r\n\r\n", ModelProtocolError),
        ("", ModelConnectionError),
    ],
    ids=["wrong key", "other protocol", "no HTTP", "nothing"],
)
def test_an_answer_that_is_not_a_handshake_is_the_providers_error(answer: str, error: type[Exception]) -> None:
    with pytest.raises((error, ModelProtocolError, ModelConnectionError)):
        opened(Provider(answer))


def test_a_header_that_would_break_the_head_is_not_sent() -> None:
    provider = Provider(ACCEPTED)

    with pytest.raises(ValueError, match="control character"):
        opened(provider, ("x-team", "a\r\nx-other: b"))
    assert provider.sent == b""
