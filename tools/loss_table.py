"""What crosses from each API to each other, computed from the dialects: `python tools/loss_table.py [--write]` makes
docs/losses.md.

Each feature is written in the sender's own API, read from it as the gateway reads it, written for the receiver and read
back. What comes back unchanged is kept; what does not must be reported as a loss.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from field_losses import field_rows, reply_field_rows, sdk_versions
from loss_features import (
    CUSTOM,
    DIALECTS,
    MODELS,
    REPLIES,
    REQUESTS,
    TITLES,
    UNTHINKING,
    WEATHER,
    Asked,
    Crossing,
    Replied,
    dialects,
)

from llm_gateway_sdk import (
    Choice,
    DialectError,
    LLMRequest,
    LLMResponse,
    Message,
    Mint,
    Target,
    TextPart,
    WireRequest,
)
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES
from llm_gateway_sdk.losses import Loss, Losses

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "losses.md"


# The crossing.


def _mint() -> Mint:
    numbers = iter(range(1000))
    return Mint(lambda prefix: f"{prefix}{next(numbers)}", lambda: 1_750_000_000)


def _request() -> LLMRequest:
    return LLMRequest("model", [Message("user", [TextPart("Hello.")])], max_tokens=1000)


def _response() -> LLMResponse:
    choice = Choice(0, Message("assistant", [TextPart("Hello.", index=0)]), "stop")
    return LLMResponse("reply_1", "model", 1_750_000_000, [choice], final=True)


@cache
def cross_request(sender: str, receiver: str, feature: Asked) -> Crossing:
    """What of a feature of a client's request reaches a provider."""
    client, provider = dialects()[sender], dialects()[receiver]
    request = _request()
    feature.say(request, sender)
    wanted = feature.read(request)
    unwritten = Losses()
    try:
        wire = client.encode_request(request, Target(MODELS[sender]), unwritten)
        sent, _ = client.decode_request(wire)
    except DialectError:
        return Crossing("")
    stated = feature.read(sent)
    if unwritten or stated != wanted or stated == feature.read(_request()):
        return Crossing("")
    losses = Losses("request", client.field_names, wire.body)
    models = UNTHINKING if feature.unthinking else MODELS
    try:
        received, _ = provider.decode_request(_translated(sender, receiver, sent, losses, models))
    except DialectError as error:
        return Crossing("refused", detail=str(error))
    # What the plain request loses is not the feature's.
    own = _without(losses, _plain_losses(sender, receiver))
    if feature.apart:
        own = tuple(loss for loss in own if not loss.path.endswith(f".{feature.apart}"))
    return _judge(stated, feature.read(received), own)


@cache
def _plain_losses(sender: str, receiver: str) -> frozenset[Loss]:
    client = dialects()[sender]
    wire = client.encode_request(_request(), Target(MODELS[sender]), Losses())
    sent, _ = client.decode_request(wire)
    losses = Losses("request", client.field_names, wire.body)
    _translated(sender, receiver, sent, losses)
    return frozenset(losses)


def _translated(
    sender: str, receiver: str, sent: LLMRequest, losses: Losses, models: dict[str, str] = MODELS
) -> WireRequest:
    client, provider, target = dialects()[sender], dialects()[receiver], Target(models[receiver])
    if sender == receiver:
        return provider.encode_request(sent, target, losses)
    client.check_portable(sent, losses)
    return provider.translate(sent, target, losses, sender)


def _without(losses: Losses, plain: frozenset[Loss]) -> tuple[Loss, ...]:
    return tuple(loss for loss in losses if loss not in plain)


@cache
def cross_reply(sender: str, receiver: str, feature: Replied) -> Crossing:
    """What of a feature of a provider's reply reaches a client."""
    provider, client = dialects()[sender], dialects()[receiver]
    if receiver not in feature.clients:
        return Crossing("")
    response = _response()
    feature.say(response, sender)
    wanted = feature.read(response)
    custom = [WEATHER, CUSTOM]
    try:
        echoes = {}
        for name, dialect in ((sender, provider), (receiver, client)):
            asked = LLMRequest("model", [Message("user", [TextPart("Hello.")])], custom, max_tokens=1000)
            _, echoes[name] = dialect.decode_request(dialect.encode_request(asked, Target(MODELS[name]), Losses()))
        losses = Losses("response", provider.reply_field_names)
        wire = provider.encode_response(response, echoes[sender], _mint(), losses)
        came = provider.decode_response(wire, _mint())
    except DialectError:
        return Crossing("")
    original = feature.read(came)
    if losses or original != wanted:
        return Crossing("")
    reply = client.encode_response(came, echoes[receiver], _mint(), losses)
    crossing = _judge(original, feature.read(client.decode_response(reply, _mint())), tuple(losses))
    if crossing.outcome == "unreported" and not feature.written_as:
        client.report_unwritten(came, losses)
        crossing = _judge(original, feature.read(client.decode_response(reply, _mint())), tuple(losses))
    if crossing.outcome == "unreported" and feature.written_as:
        written_as = client.decode_response(reply, _mint()).choices[0].raw_finish_reason
        return Crossing(f"as `{written_as}`")
    return Crossing("left out") if crossing.outcome == "unreported" and feature.aside else crossing


def _judge(original: Any, arrived: Any, losses: tuple[Loss, ...]) -> Crossing:
    kinds = {loss.kind for loss in losses}
    for kind in ("dropped", "clamped", "converted"):
        if kind in kinds:
            return Crossing(kind, losses)
    return Crossing("kept" if arrived == original else "unreported", detail=f"{original!r} → {arrived!r}")


# The page.


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, _LIMITS, _limits_table(), "## Requests"]
    for sender in DIALECTS:
        parts.append(f"### From clients of {TITLES[sender]}")
        parts += _tables(sender, REQUESTS, cross_request)
    parts.append("## Replies")
    for sender in DIALECTS:
        parts.append(f"### From providers of {TITLES[sender]}")
        parts += _tables(sender, REPLIES, cross_reply)
    parts.append(_EVERY_FIELD.format(versions=sdk_versions()))
    for sender in DIALECTS:
        parts += [f"### Fields of requests of {TITLES[sender]}", field_table(sender, field_rows(sender))]
    for sender in DIALECTS:
        parts += [f"### Fields of replies of {TITLES[sender]}", field_table(sender, reply_field_rows(sender))]
    return "\n\n".join(parts) + "\n"


_RECEIVERS = (CHAT, RESPONSES, MESSAGES, GENERATE_CONTENT, CONVERSE)


def _limits_table() -> str:
    """What the descriptions of receivers bound."""
    rows: list[tuple[str, list[int | None]]] = [
        ("characters of a tool's name", [one.tool_names.length if one.tool_names else None for one in _RECEIVERS]),
        ("characters of a call's id", [one.call_ids.length if one.call_ids else None for one in _RECEIVERS]),
        ("characters of an end user's id", [one.users.length if one.users else None for one in _RECEIVERS]),
        ("tools", [one.bounds.tools for one in _RECEIVERS]),
        ("stop sequences", [one.bounds.stop for one in _RECEIVERS]),
        ("cache marks", [one.bounds.cache_marks for one in _RECEIVERS]),
        ("answers to one request", [one.bounds.answers for one in _RECEIVERS]),
        ("seed, below", [one.bounds.seed for one in _RECEIVERS]),
        ("`top_k`", [one.bounds.top_k for one in _RECEIVERS]),
        *(
            (name, [one.bounds.metadata[place] if one.bounds.metadata else None for one in _RECEIVERS])
            for place, name in enumerate(("metadata entries", "characters of a key", "characters of a value"))
        ),
        ("characters of a prompt cache's key", [one.bounds.cache_key for one in _RECEIVERS]),
        *((name, [getattr(one.grammar, field, None) for one in _RECEIVERS]) for name, field in _GRAMMAR_ROWS),
        *((name, [getattr(one.images, field, None) for one in _RECEIVERS]) for name, field in _IMAGE_ROWS),
    ]
    lines = ["| | " + " | ".join(TITLES[name] for name in DIALECTS) + " |", "|---" * (len(DIALECTS) + 1) + "|"]
    for name, values in rows:
        lines.append(f"| {name} | " + " | ".join("" if value is None else f"{value:,}" for value in values) + " |")
    return "\n".join(lines)


_GRAMMAR_ROWS = (
    ("strict tools", "tools"),
    ("optional properties of strict schemas", "optional"),
    ("properties of several types in strict schemas", "unions"),
    ("properties of a strict schema", "properties"),
    ("levels of objects in a strict schema", "levels"),
    ("values of enumerations in a strict schema", "enum_values"),
    ("characters of names and values in a strict schema", "letters"),
)
_IMAGE_ROWS = (
    ("images", "count"),
    ("documents in a message", "documents"),
    ("characters of an image in base64", "letters"),
    ("pixels of an image's longer side", "side"),
    ("the same, with more than 20 images", "many_side"),
)

_LIMITS = """## Limits

Counts, lengths and numbers beyond what a receiver takes are brought within it before a request is sent, and reported.
Names of tools that had to be shortened come back as the client's own. An empty cell: no limit is applied. The most
tokens of an answer are the model's, see [Which model takes what](models.md).

Tools beyond the bounds of strict schemas are sent without the promise. Where there are more images than are taken, the
oldest of the conversation are left out, with a text in their place; a request whose last turn alone has too many, or
one that is too large, is refused with 400. Bedrock's counts of images and documents are those of one message; Claudes
with a context of 200,000 tokens take 100 images.

Images as data may be PNG, JPEG, GIF and WebP, for Gemini HEIC and HEIF too; the bytes decide, not the label. SVG goes
as text. Images of other types are left out of earlier turns, with a text in their place, and refused with 400 in the
last. Schemas are written in JSON Schema 2020-12, whatever draft they are of."""


def field_table(sender: str, rows: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """What `field_losses.py` finds, as a table."""
    lines = _head(sender)
    lines += [f"| {field} | " + " | ".join(outcomes) + " |" for field, outcomes in rows]
    return "\n".join(lines)


def _head(sender: str) -> list[str]:
    others = [name for name in DIALECTS if name != sender]
    return ["| | " + " | ".join(TITLES[name] for name in others) + " |", "|---" * (len(others) + 1) + "|"]


def _tables(sender: str, groups: Any, cross: Any) -> list[str]:
    others = [name for name in DIALECTS if name != sender]
    lines = _head(sender)
    by_place: dict[str, list[str]] = {}
    for _, features in groups:
        for feature in features:
            crossings = [cross(sender, name, feature) for name in others]
            if not any(crossing.outcome for crossing in crossings):
                continue
            lines.append(f"| {feature.name} | " + " | ".join(_cell(crossing) for crossing in crossings) + " |")
            for name, crossing in zip(others, crossings, strict=True):
                for loss in crossing.losses:
                    if loss.detail:
                        place = f"- {loss.kind} `{loss.path}`: {loss.detail}"
                        by_place.setdefault(place, [])
                        if TITLES[name] not in by_place[place]:
                            by_place[place].append(TITLES[name])
    parts = ["\n".join(lines)]
    if by_place:
        parts.append("As it is reported:")
        parts.append("\n".join(f"{place} ({', '.join(names)})" for place, names in by_place.items()))
    return parts


_SIGNS = {"kept": "kept", "unreported": "**changed**"}


def _cell(crossing: Crossing) -> str:
    return _SIGNS.get(crossing.outcome, crossing.outcome)


_INTRODUCTION = """# What crosses from one API to another

<!-- Written by `python tools/loss_table.py --write` from the dialects; a test fails where it is stale. -->

Where client and provider speak the same API nothing changes: the client's bytes go to the provider and the provider's
to the client. Between two APIs the gateway translates, and reports what that costs: in the reply's header
`x-llm-gateway-losses` (for the request), in the trace, and to plugins as `ctx.losses`. A loss names the field
as the API of its sender calls it: the client's for requests, the provider's for replies. With `strict: true` a request
that would lose something (dropped or clamped) is refused with 400, naming the fields.

- **kept**: it arrives, in the receiver's own form.
- **converted**: it is written in another way, and means the same or nearly.
- **clamped**: a number is brought into the receiver's range.
- **dropped**: the receiver has no place for it; the rest goes on.
- **refused**: the request is answered with 400, because without it the answer would be another one.
- **left out**: the receiver has no place for it, and the reply means the same without it; this is not reported.
- empty: the sender's API can't say it, or the client's can't ask for it.

Signatures of thinking that the receiver has no place for travel wrapped in something that it has, and come back to
their provider on the next turn. The rows of OpenAI's and Anthropic's APIs are of current models, those of sampling
(temperature and the like) of models that do not think, since the others refuse it. What a model or a compatible server
takes may be less; see [Which model takes what](models.md)."""

_EVERY_FIELD = """## Every field

The features above are what most requests use. Below is every field of the vendors' own types, each set once and sent to
every other API. A field that is not listed is kept by all. A row with a place (`tools[*]`) holds for all that is in it;
in brackets is the kind of the element. **In part**: something in it is dropped. An empty cell: no request or reply that
could be read has the field. Nothing is lost unreported: `dropped` and `in part` are listed as losses.

The types are those of {versions}."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--write", action="store_true", help="write docs/losses.md; without it, say whether it is stale"
    )
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(page())
        return 0
    fresh = PAGE.is_file() and PAGE.read_text() == page()
    print("fresh" if fresh else "stale: python tools/loss_table.py --write")
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(main())
