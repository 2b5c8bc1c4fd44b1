"""What browsers put into `Sec-WebSocket-Protocol`, because they can set no other header of a WebSocket.

OpenAI's reference, "Realtime API with WebSockets": a key goes as `openai-insecure-api-key.KEY`, the beta as
`openai-beta.realtime-v1`, an organisation and a project likewise. They are moved to where every other client has them,
so that a credential is in no header that is not known to hold one.
"""

from __future__ import annotations

__all__ = ["websocket_headers"]

_PROTOCOLS = "sec-websocket-protocol"
_KEY = "openai-insecure-api-key."
_BETA = "openai-beta."
_NAMED = (("openai-organization.", "openai-organization"), ("openai-project.", "openai-project"))


def websocket_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of a request that offers WebSocket, with lower-case names. A header that is there already is left."""
    offered = [part.strip() for name, value in headers if name == _PROTOCOLS for part in value.split(",")]
    if not any("." in part for part in offered):
        return headers
    kept = [item for item in headers if item[0] != _PROTOCOLS]
    present = {name for name, _ in kept}
    plain = []
    for part in offered:
        found = _header_of(part)
        if found is None:
            plain.append(part)
        elif found[0] not in present:
            kept.append(found)
            present.add(found[0])
    if plain:
        kept.append((_PROTOCOLS, ", ".join(plain)))
    return kept


def _header_of(part: str) -> tuple[str, str] | None:
    if part.startswith(_KEY):
        return "authorization", f"Bearer {part.removeprefix(_KEY)}"
    if part.startswith(_BETA):
        feature, _, version = part.removeprefix(_BETA).rpartition("-")
        return "openai-beta", f"{feature}={version}"
    for beginning, name in _NAMED:
        if part.startswith(beginning):
            return name, part.removeprefix(beginning)
    return None
