"""OpenAI's images: `generations` in JSON, `edits` as a multipart form or in JSON
(platform.openai.com/docs/api-reference/images); other hosts take `generations` too (docs.together.ai/reference)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import log
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Headers, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest
from llm_gateway_sdk.operations.reading import count, json_reply, json_request, number_in, object_of, positive, text
from llm_gateway_sdk.wire import json

__all__ = ["OPENAI_SIZES", "OpenAIImages", "read_options"]

_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_KNOWN = frozenset(
    {
        "model", "prompt", "n", "size", "quality", "response_format", "output_format", "user", "image", "mask",
        "stream", "partial_images",
    }
)  # fmt: skip
_QUALITIES = {"standard": "medium", "hd": "high", "auto": None}
_OLD_QUALITIES = {"high": "hd"}
"""DALL·E's names of them; the others are `standard`."""
_FORMATS = ("png", "jpeg", "webp")
OPENAI_SIZES: Mapping[str, Sequence[tuple[int, int]]] = {
    "dall-e-2": ((1024, 1024), (512, 512), (256, 256)),
    "dall-e-3": ((1024, 1024), (1792, 1024), (1024, 1792)),
    "": ((1024, 1024), (1536, 1024), (1024, 1536)),
}
"""Of OpenAI's own models, by the beginning of their names. Of several of one shape the first is taken."""


class OpenAIImages(OperationForm[ImageRequest, ImageReply]):
    name: ClassVar[str] = "openai"
    operation: ClassVar[Operation] = "image"
    event: ClassVar[str] = "image_generation"
    """How the types of a stream's events begin."""
    # `generations` and `edits` are one operation: the path of the request is the provider's.
    reply_texts: ClassVar[frozenset[str]] = frozenset({"revised_prompt"})

    def __init__(
        self, *, inline: str = "b64_json", sizes: Mapping[str, Sequence[tuple[int, int]]] | None = None
    ) -> None:
        """`inline`: the `response_format` by which the images themselves are asked for. `sizes`: what models take, by
        the beginning of their names; without them any."""
        self._inline, self._sizes = inline, sizes

    def _named(self, body: bytes) -> str | None:
        return self._named_in_fields(body)  # an edit's, which is a form, comes here too

    def decode_request(self, wire: WireRequest) -> ImageRequest:
        return read_options(object_of(wire.body), self.name)

    def pieces_of(self, body: bytes, size: int) -> dict[str, int] | None:
        return {"image": number_in(body, "n") or 1}

    def encode_reply(self, reply: ImageReply, request: ImageRequest, mint: Mint) -> WireReply:
        if request.streamed:
            return self._events(reply, request, mint)
        data: list[dict[str, Any]] = []
        for image in reply.images:
            inline = f"data:{image.media_type};base64,{image.data}"
            where = {"url": inline} if request.as_url else {"b64_json": image.data}
            data.append(where if image.revised_prompt is None else {**where, "revised_prompt": image.revised_prompt})
        body: dict[str, Any] = {"created": reply.created or mint.now(), "data": data}
        body["output_format"] = reply.images[0].media_type.removeprefix("image/")
        return json_reply({**body, **_shown(reply.usage)})

    def _events(self, reply: ImageReply, request: ImageRequest, mint: Mint) -> WireReply:
        """Each image as the event of a complete one: other vendors have no earlier sketches of it. The last event
        has the usage of all."""
        size = "auto" if request.width is None else f"{request.width}x{request.height}"
        written = []
        for number, image in enumerate(reply.images, start=1):
            event = {
                "type": f"{self.event}.completed",
                "b64_json": image.data,
                "created_at": reply.created or mint.now(),
                "size": size,
                "quality": request.quality or "auto",
                "background": "auto",
                "output_format": image.media_type.removeprefix("image/"),
                **_shown(reply.usage if number == len(reply.images) else None),
            }
            written.append(f"event: {event['type']}\ndata: ".encode() + json.dumps(event) + b"\n\n")
        kind = Headers.of([("content-type", "text/event-stream; charset=utf-8")])
        return WireReply(200, kind, b"".join(written))

    def encode_request(self, request: ImageRequest, target: Target, losses: Losses) -> WireRequest:
        if request.images or request.mask is not None:
            raise DialectError("images of another API's clients are not edited here")
        body: dict[str, Any] = {"model": target.model, "prompt": request.prompt, "n": request.n}
        dated = target.model.startswith("dall-e")
        if self._sizes is None or dated:
            # OpenAI's newer models answer with the image itself, and refuse to be asked for it.
            body["response_format"] = self._inline
            if request.output_format is not None:
                losses.dropped("output_format")
        elif request.output_format is not None:
            body["output_format"] = request.output_format
        if (size := self._size(request, target.model, losses)) is not None:
            body["size"] = size
        if request.quality is not None:
            body["quality"] = _OLD_QUALITIES.get(request.quality, "standard") if dated else request.quality
        if request.user is not None:
            body["user"] = request.user
        for own, fields in request.provider_metadata.items():
            if own == self.name:
                body.update(fields)
            else:
                for field in fields:
                    losses.dropped(field)
        return json_request("/images/generations", body)

    def _size(self, request: ImageRequest, model: str, losses: Losses) -> str | None:
        if request.width is None or request.height is None:
            return None
        wanted = (request.width, request.height)
        known = next((known for name, known in (self._sizes or {}).items() if model.startswith(name)), ())
        if known and wanted not in known:
            ratio = request.width / request.height
            width, height = min(known, key=lambda each: abs(log(each[0] / each[1] / ratio)))
            if request.ratio is None or width * request.height != height * request.width:
                losses.converted("size", f"{width}x{height}")
            wanted = (width, height)
        return f"{wanted[0]}x{wanted[1]}"

    def decode_reply(self, wire: WireReply, request: ImageRequest) -> ImageReply:
        body = object_of(wire.body)
        kind = body.get("output_format") or request.output_format or "png"
        found = body.get("data")
        images: list[Image] = []
        for each in found if isinstance(found, list) else []:
            if isinstance(each, dict) and isinstance(each.get("b64_json"), str):
                revised = each.get("revised_prompt")
                images.append(Image(each["b64_json"], f"image/{kind}", revised if isinstance(revised, str) else None))
        model = body.get("model")
        return ImageReply(
            images, model if isinstance(model, str) else "", self.usage_of(body), count(body.get("created"))
        ).checked()

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        usage = body.get("usage")
        if not isinstance(usage, dict):
            return None
        counts = Usage(input_tokens=count(usage.get("input_tokens")), output_tokens=count(usage.get("output_tokens")))
        read, made = usage.get("input_tokens_details"), usage.get("output_tokens_details")
        if isinstance(read, dict):
            counts.input_image_tokens = count(read.get("image_tokens"))
        # Without details, what was made is the image.
        counts.output_image_tokens = count(made.get("image_tokens")) if isinstance(made, dict) else counts.output_tokens
        return counts


def _shown(usage: Usage | None) -> dict[str, Any]:
    if usage is None or usage.estimated:
        return {}
    counts = {
        "input_tokens": usage.input_tokens or 0,
        "output_tokens": usage.output_tokens or 0,
        "total_tokens": usage.total_tokens or 0,
        "input_tokens_details": {"text_tokens": usage.input_tokens or 0, "image_tokens": 0},
    }
    return {"usage": counts}


def read_options(body: dict[str, Any], form: str) -> ImageRequest:
    """What `generations` and `edits` have in common. Raises DialectError."""
    streamed = body.get("stream")
    if not (streamed is None or isinstance(streamed, bool) or streamed in ("true", "false")):
        raise DialectError("expected true or false", path="stream")
    model, user, quality = body.get("model"), body.get("user"), body.get("quality")
    request = ImageRequest(
        model if isinstance(model, str) else "",
        text(body, "prompt"),
        n=positive(body, "n") or 1,
        quality=_QUALITIES.get(quality, quality) if isinstance(quality, str) else None,
        as_url=body.get("response_format") == "url",
        streamed=streamed in (True, "true"),
        user=user if isinstance(user, str) else None,
        provider_metadata={form: {key: value for key, value in body.items() if key not in _KNOWN}},
    )
    if request.n > 10:
        raise DialectError("at most 10 images are made at once", path="n")
    size = body.get("size")
    if size not in (None, "auto"):
        found = _SIZE.fullmatch(size) if isinstance(size, str) else None
        if found is None:
            raise DialectError("expected WIDTHxHEIGHT, such as 1024x1024", path="size")
        request.width, request.height = int(found[1]), int(found[2])
    coding = body.get("output_format")
    if coding is not None:
        if coding not in _FORMATS:
            raise DialectError("expected 'png', 'jpeg' or 'webp'", path="output_format")
        request.output_format = coding
    return request
