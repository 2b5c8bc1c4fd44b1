"""What a JSON body may be, however many bytes are accepted."""

from __future__ import annotations

from llm_gateway_sdk import PayloadTooLarge
from llm_gateway_sdk.heavy import has_more_items
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.long_numbers import NumberTooLong
from llm_gateway_sdk.wire.text_bound import TextTooLarge

__all__ = ["refuse_beyond_bounds"]


def refuse_beyond_bounds(body: bytes, most_items: int) -> None:
    """Raises PayloadTooLarge where a JSON text, or lines of JSON, have more values than that, a number of very many
    digits, or a text that would take too much memory."""
    if has_more_items(body, most_items):
        raise PayloadTooLarge(f"The body has more than {most_items} values, which is more than is accepted.")
    try:
        json.refuse_absurd_values(body)
    except NumberTooLong as error:
        raise PayloadTooLarge(str(error)) from None
    except TextTooLarge as error:
        raise PayloadTooLarge(str(error), param=error.place or None) from None
