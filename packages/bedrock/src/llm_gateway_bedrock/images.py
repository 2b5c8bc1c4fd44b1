"""Images on Bedrock, by InvokeModel: Amazon's (Titan Image Generator, Nova Canvas) and Stability's bodies."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.images import Image, ImageReply, ImageRequest
from llm_gateway_sdk.operations.reading import object_of

from .embeddings import invocation

__all__ = ["AmazonImages", "StabilityImages", "images_of"]


class AmazonImages(OperationForm[ImageRequest, ImageReply]):
    name: ClassVar[str] = "bedrock_amazon"
    operation: ClassVar[Operation] = "image"

    def encode_request(self, request: ImageRequest, target: Target, losses: Losses) -> WireRequest:
        config: dict[str, Any] = {"numberOfImages": request.n}
        if request.width is not None:
            config.update(width=request.width, height=request.height)
        if request.quality is not None:
            config["quality"] = "premium" if request.quality == "high" else "standard"
        body: dict[str, Any]
        if not request.images:
            body = {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": request.prompt}}
        elif request.mask is not None:
            given = {"image": request.images[0].data, "maskImage": request.mask.data, "text": request.prompt}
            body = {"taskType": "INPAINTING", "inPaintingParams": given}
        else:
            images = [image.data for image in request.images]
            body = {"taskType": "IMAGE_VARIATION", "imageVariationParams": {"images": images, "text": request.prompt}}
        _report_unwritten(request, losses, "user", "output_format")
        return invocation(target.model, {**body, "imageGenerationConfig": config})

    def decode_reply(self, wire: WireReply, request: ImageRequest) -> ImageReply:
        return _reply(wire, "image/png")

    def most_inputs(self, target: Target) -> int | None:
        return 5


class StabilityImages(OperationForm[ImageRequest, ImageReply]):
    """One image a call."""

    name: ClassVar[str] = "bedrock_stability"
    operation: ClassVar[Operation] = "image"

    def encode_request(self, request: ImageRequest, target: Target, losses: Losses) -> WireRequest:
        if request.mask is not None:
            raise DialectError("this model takes no mask", path="mask")
        coding = request.output_format or "png"
        body: dict[str, Any] = {"prompt": request.prompt, "output_format": coding}
        if request.images:
            body.update(mode="image-to-image", image=request.images[0].data, strength=0.7)
        elif request.aspect_ratio is not None:
            body["aspect_ratio"] = request.aspect_ratio
            if request.ratio is None:
                losses.converted("size", "the nearest aspect ratio")
        _report_unwritten(request, losses, "user", "quality")
        return invocation(target.model, body)

    def decode_reply(self, wire: WireReply, request: ImageRequest) -> ImageReply:
        return _reply(wire, f"image/{request.output_format or 'png'}")

    def most_inputs(self, target: Target) -> int | None:
        return 1


def images_of(model: str) -> OperationForm[ImageRequest, ImageReply] | None:
    """The form of a model's body; None where it makes no images."""
    if "titan-image" in model or "nova-canvas" in model:
        return _AMAZON
    return _STABILITY if "stability." in model else None


_AMAZON, _STABILITY = AmazonImages(), StabilityImages()


def _reply(wire: WireReply, kind: str) -> ImageReply:
    body = object_of(wire.body)
    found = body.get("images")
    images = [Image(each, kind) for each in (found if isinstance(found, list) else []) if isinstance(each, str)]
    if not images and isinstance(body.get("error"), str):
        raise DialectError(body["error"])
    return ImageReply(images).checked()


def _report_unwritten(request: ImageRequest, losses: Losses, *names: str) -> None:
    for name in names:
        if getattr(request, name) is not None:
            losses.dropped(name)
    for fields in request.provider_metadata.values():
        for field in fields:
            losses.dropped(field)
