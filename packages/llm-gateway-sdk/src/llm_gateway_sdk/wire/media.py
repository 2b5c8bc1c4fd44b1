"""Data URLs and base64, as chat APIs use them."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from .pieces import PIECE_BYTES, joined_text

__all__ = ["build_data_url", "split_data_url"]


def split_data_url(url: str) -> tuple[str, str] | None:
    """`data:image/png;base64,AAAA` → `("image/png", "AAAA")`; None where `url` is not a data URL. RFC 2397.

    A data URL without `;base64` is percent-encoded text; it is turned into base64.
    """
    if url[:5].lower() != "data:":
        return None
    comma = url.find(",")
    if comma < 0:
        return None
    head = url[5:comma]
    body = joined_text([url[start : start + PIECE_BYTES] for start in range(comma + 1, len(url), PIECE_BYTES)])
    media_type, *parameters = head.split(";")
    if any(parameter.strip().lower() == "base64" for parameter in parameters):
        return media_type or "text/plain", body
    import base64

    return media_type or "text/plain", base64.b64encode(unquote_to_bytes(body)).decode()


def build_data_url(media_type: str | None, data: str) -> str:
    """The data URL of base64 `data`."""
    return f"data:{media_type or 'application/octet-stream'};base64,{data}"
