"""What receivers take, as data: one description per API, which a server's quirks may change.

A request that crosses from one API to another carries values of the sender's: names of tools, ids of calls, an end
user's id, schemas, an order of turns. Each receiver has limits on them, and refuses a request that exceeds one. The
limits are listed here with their sources; `fit.fit` applies them, for every dialect alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from .documents import OFFICE, PDF
from .model_limits import ANY_MODEL, ModelLimits

__all__ = [
    "CHAT",
    "CONVERSE",
    "GENERATE_CONTENT",
    "MESSAGES",
    "RESPONSES",
    "Bounds",
    "CallIds",
    "Grammar",
    "Images",
    "Receiver",
    "ToolNames",
    "UserIds",
]


class ToolNames:
    """Names of tools: 1 to `length` of these `letters` (the inside of a character class), the first one of `first`."""

    __slots__ = ("first", "forbidden", "length", "pattern")

    def __init__(self, length: int, letters: str = "a-zA-Z0-9_-", first: str = "") -> None:
        self.length = length
        self.forbidden = re.compile(f"[^{letters}]")
        self.first = re.compile(f"[{first}]") if first else None
        self.pattern = re.compile(f"(?=[{first or letters}])[{letters}]{{1,{length}}}")

    def takes(self, name: str) -> bool:
        return self.pattern.fullmatch(name) is not None


@dataclass(slots=True, frozen=True)
class CallIds:
    """Ids of tool calls. `exactly`: ids have just so many letters or digits (Mistral)."""

    length: int | None = None
    forbidden: re.Pattern[str] | None = None
    exactly: int | None = None
    unique: bool = False
    """No two calls of a conversation may share an id, in different turns either."""

    def takes(self, identity: str) -> bool:
        if self.exactly is not None:
            return len(identity) == self.exactly and identity.isalnum() and identity.isascii()
        if self.length is not None and len(identity) > self.length:
            return False
        return bool(identity) and (self.forbidden is None or self.forbidden.search(identity) is None)


@dataclass(slots=True, frozen=True)
class UserIds:
    length: int
    anonymous: bool = False
    """Mail addresses and telephone numbers are refused."""


@dataclass(slots=True, frozen=True)
class Bounds:
    """The largest counts and numbers that are taken; None is any. Of a model: what of it bounds a request so."""

    stop: int | None = None
    """Stop sequences."""
    tools: int | None = None
    cache_marks: int | None = None
    answers: int | None = None
    """Answers to one request."""
    seed: int | None = None
    """Seeds are below this number, and not below its negative."""
    top_k: int | None = None
    metadata: tuple[int, int, int] | None = None
    """Entries, letters of a key, letters of a value."""
    cache_key: int | None = None
    """Letters of the key by which a prompt cache is shared."""
    max_tokens: int | None = None
    parallel_tools: bool = True
    """Takes the setting whether several tools may be called at a time."""
    json_with_tools: bool = True
    """Takes the form of an answer together with tools."""


@dataclass(slots=True, frozen=True)
class Grammar:
    """The largest schemas that are compiled where they are promised strictly; None is any. `grammar.SchemaSize` has
    what each count means."""

    properties: int | None = None
    levels: int | None = None
    enum_values: int | None = None
    letters: int | None = None
    long_enum_letters: int | None = None
    optional: int | None = None
    unions: int | None = None
    tools: int | None = None
    """Strict tools."""
    together: bool = False
    """All schemas of a request count together, not each by itself."""


@dataclass(slots=True, frozen=True)
class Images:
    """The most images and documents, and the largest; None is any."""

    types: frozenset[str] | None = None
    """Media types of images as data."""
    count: int | None = None
    per_message: bool = False
    """The counts are of one message, not of the request."""
    documents: int | None = None
    letters: int | None = None
    """Base64 letters of an image."""
    side: int | None = None
    """Pixels of the longer side of an image."""
    many: int | None = None
    """With more images than these each may have `many_side` pixels only."""
    many_side: int | None = None


@dataclass(slots=True, frozen=True)
class Receiver:
    """What one API, or one server that speaks it, takes. The defaults take everything."""

    tool_names: ToolNames | None = None
    call_ids: CallIds | None = None
    users: UserIds | None = None
    whole_schemas: bool = False
    """The schema of a tool's arguments has an object with properties as its root."""
    plain_roots: bool = False
    """No `anyOf`, `oneOf`, `allOf`, `not`, `enum` or `$ref` at that root."""
    strict: Literal["openai", "anthropic"] | None = None
    """The form in which a schema has to be that is promised strictly."""
    object_formats: bool = False
    """The schema of an answer has an object at its root, and no `anyOf` or `$ref`."""
    continues: bool = True
    """A last turn of the assistant's is continued; otherwise the model answers after it."""
    begins_with_user: bool = False
    """The conversation has, and begins with, a turn of the user."""
    user_before_assistant: bool = False
    """The same, but a conversation of nothing but system text is taken."""
    joined: frozenset[str] = frozenset()
    """Roles whose messages are joined where they follow each other."""
    blank_texts: bool = True
    """Texts of white space alone are taken."""
    trailing_blank: bool = True
    """The assistant's last text may end in white space."""
    one_system: bool = False
    """One system message, and that the first."""
    checked_labels: bool = False
    """The type that an image is labelled with is compared with its bytes."""
    audio: bool = True
    """Takes audio in messages."""
    documents: frozenset[str] | None = None
    """Media types of documents that are taken as data, `text/*` for all of text; None takes all. Text can be sent
    everywhere."""
    vendors: frozenset[str] | None = None
    """Dialects of clients whose file ids this receiver has issued; None takes all."""
    json_word: bool = False
    """An answer in JSON is given only where the conversation has the word."""
    grammar: Grammar | None = None
    images: Images | None = None
    bounds: Bounds = Bounds()
    model: ModelLimits = ANY_MODEL
    """What the model takes, beyond the bounds."""

    def of_model(self, limits: ModelLimits) -> Receiver:
        """The same receiver with the limits of one of its models."""
        if limits is ANY_MODEL:
            return self
        bounds = replace(
            self.bounds,
            max_tokens=limits.ceiling,
            parallel_tools=limits.parallel_tools,
            json_with_tools=limits.json_with_tools,
        )
        model = replace(limits, ceiling=None, parallel_tools=True, json_with_tools=True, images=None)
        images = self.images
        if images is not None and images.count is not None and limits.images is not None:
            images = replace(images, count=min(images.count, limits.images))
        return replace(
            self,
            images=images,
            bounds=bounds,
            model=ANY_MODEL if model == ANY_MODEL else model,
            checked_labels=self.checked_labels and limits.checked_labels,
        )


_WORD = re.compile(r"[^a-zA-Z0-9_-]")
_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_OPENAI_FILES = frozenset({"openai_chat", "openai_responses"})
_ASSISTANT = frozenset({"assistant"})

# "File inputs": Chat Completions takes PDF only; Responses also texts, and what office programs write.
# OpenAI API reference, chat/create: at most 128 tools; `metadata` of 16 entries, keys of at most 64 letters, values of
# at most 512. `prompt_cache_key`: "string too long. Expected a string with maximum length 64" (the API's own answer).
_OPENAI_BOUNDS = Bounds(tools=128, metadata=(16, 64, 512), cache_key=64)
# "Structured Outputs", "Supported schemas": 5,000 properties, 10 levels, 1,000 values of enumerations, 120,000 letters
# of names and values, 15,000 of one enumeration of more than 250 values.
_OPENAI_GRAMMAR = Grammar(properties=5000, levels=10, enum_values=1000, letters=120_000, long_enum_letters=15_000)
# "Images and vision": PNG, JPEG, WebP and GIF, "up to 500 individual image inputs per request". JSON mode:
# "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'" (the API's own
# answer).
_OPENAI_IMAGES = Images(types=_IMAGE_TYPES, count=500)

# Names: "a-z, A-Z, 0-9, underscores and dashes, maximum length of 64" (OpenAI API reference, chat/create,
# `tools[].function.name`). Ids: "string too long. Expected a string with maximum length 40" (the API's own answer).
# `safety_identifier`: at most 128 letters, 64 in earlier editions of the reference. A tool's parameters: "object schema
# missing properties" (the API's own answer), and no combination of schemas at the root ("Function calling").
# An answer's schema: "root objects must not be `anyOf` and must be an object" ("Structured Outputs").
CHAT = Receiver(
    tool_names=ToolNames(64),
    call_ids=CallIds(40),
    users=UserIds(128),
    whole_schemas=True,
    plain_roots=True,
    strict="openai",
    object_formats=True,
    continues=False,
    joined=_ASSISTANT,
    documents=PDF,
    vendors=_OPENAI_FILES,
    json_word=True,
    grammar=_OPENAI_GRAMMAR,
    images=_OPENAI_IMAGES,
    bounds=replace(_OPENAI_BOUNDS, stop=4),
)

# OpenAI API reference, responses/create: as above, `call_id` at most 64 letters.
RESPONSES = Receiver(
    tool_names=ToolNames(64),
    call_ids=CallIds(64),
    users=UserIds(128),
    whole_schemas=True,
    plain_roots=True,
    strict="openai",
    object_formats=True,
    continues=False,
    audio=False,
    documents=PDF | OFFICE | {"text/*", "application/json", "application/xml"},
    vendors=_OPENAI_FILES,
    json_word=True,
    grammar=_OPENAI_GRAMMAR,
    images=_OPENAI_IMAGES,
    bounds=_OPENAI_BOUNDS,
)

# Prompt caching: "a maximum of 4 blocks with cache_control may be provided", and none of an hour after one of five
# minutes (the API's own answers).
# Anthropic API reference, messages: tool names `^[a-zA-Z0-9_-]{1,128}$`, ids of calls `^[a-zA-Z0-9_-]+$` and unique
# over the conversation, `metadata.user_id` at most 256 letters and without names, mail addresses or telephone numbers.
# The API's own answers: texts "must contain non-whitespace text", "final assistant content cannot end with trailing
# whitespace", "input_schema does not support oneOf, allOf, or anyOf at the top level", "specified using the image/png
# media type, but the image appears to be a image/jpeg image".
# "Vision": JPEG, PNG, GIF and WebP.
# "Vision", "General limits": 600 images per request, 100 of models with a context of 200,000 tokens; images of at most
# 5 MB (as base64) and 8000 pixels, of 2000 where there are more than 20. "Structured outputs", "Schema complexity
# limits": 20 strict tools, 24 optional properties and 16 of several types, of all strict schemas together.
_CLAUDE_GRAMMAR = Grammar(optional=24, unions=16, tools=20, together=True)
MESSAGES = Receiver(
    tool_names=ToolNames(128),
    call_ids=CallIds(None, _WORD, unique=True),
    users=UserIds(256, anonymous=True),
    whole_schemas=True,
    plain_roots=True,
    strict="anthropic",
    begins_with_user=True,
    joined=_ASSISTANT,
    blank_texts=False,
    trailing_blank=False,
    checked_labels=True,
    documents=PDF,
    vendors=frozenset({"anthropic"}),
    grammar=_CLAUDE_GRAMMAR,
    images=Images(types=_IMAGE_TYPES, count=600, letters=5 * 1024 * 1024, side=8000, many=20, many_side=2000),
    bounds=Bounds(cache_marks=4),
)

# AWS, Bedrock Runtime API reference, Message: up to 20 images of 3.75 MB and 8000 pixels, up to five documents.
# DocumentBlock.format: pdf, csv, doc, docx, xls, xlsx, html, txt, md.
# AWS, "Prompt caching": four checkpoints per request. `requestMetadata`: 16 entries, keys and values of at most 256
# letters. Anthropic Claude on Bedrock: `top_k` from 0 to 500.
# AWS, Bedrock Runtime API reference: ToolSpecification.name `[a-zA-Z0-9_-]+` of 1 to 64 letters, toolUseId
# `[a-zA-Z0-9_.:-]+` of 1 to 64, "A conversation must start with a user message", "The text field in the ContentBlock
# object … is blank".
_CONVERSE_DOCUMENTS = PDF | {
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/*",
}
CONVERSE = Receiver(
    tool_names=ToolNames(64),
    call_ids=CallIds(64, re.compile(r"[^a-zA-Z0-9_.:-]"), unique=True),
    whole_schemas=True,
    plain_roots=True,
    strict="anthropic",
    begins_with_user=True,
    joined=_ASSISTANT,
    blank_texts=False,
    trailing_blank=False,
    checked_labels=True,
    documents=_CONVERSE_DOCUMENTS,
    vendors=frozenset({"bedrock"}),
    grammar=_CLAUDE_GRAMMAR,
    images=Images(types=_IMAGE_TYPES, count=20, per_message=True, documents=5, letters=5 * 1024 * 1024, side=8000),
    bounds=Bounds(cache_marks=4, top_k=500, metadata=(16, 256, 256)),
)

# Images: PNG, JPEG, WebP, HEIC and HEIF ("Image understanding"), and GIF, which it has been seen to take.
# Documents: PDF and text ("Document understanding"); "Unsupported MIME type:
# application/vnd.openxmlformats-officedocument.wordprocessingml.document" (googleapis/python-genai#829).
# Gemini API reference, GenerationConfig: up to 5 stop sequences, 1 to 8 candidates, a seed of 32 bits.
# Gemini API reference, FunctionDeclaration.name: "Must be a-z, A-Z, 0-9, or contain underscores, colons, dots, and
# dashes, with a maximum length of 128", beginning with a letter or an underscore. "Function calling": a call's turn
# comes immediately after a turn of the user or of results.
GENERATE_CONTENT = Receiver(
    tool_names=ToolNames(128, "a-zA-Z0-9_.:-", first="a-zA-Z_"),
    whole_schemas=True,
    plain_roots=True,
    user_before_assistant=True,
    joined=_ASSISTANT,
    documents=PDF | {"text/*"},
    vendors=frozenset({"gemini"}),
    images=Images(types=_IMAGE_TYPES | {"image/heic", "image/heif"}),
    bounds=Bounds(stop=5, answers=8, seed=2**31),
)
