"""One model, many names: what platforms and routers add to the name that its vendor gave it.

| platform | spelling |
|---|---|
| vendors | `gpt-4.1-2025-04-14`, `claude-opus-4-5-20251101`, `mistral-large-latest`, `models/gemini-2.5-pro` |
| Bedrock | `us.anthropic.claude-opus-4-5-20251101-v1:0`, `arn:aws:bedrock:…:inference-profile/…` |
| Vertex | `claude-opus-4-5@20251101`, `projects/…/publishers/google/models/gemini-2.5-pro`, `gemini-2.0-flash-001` |
| OpenRouter | `anthropic/claude-opus-4.5`, `openai/gpt-5:online`, `~openai/gpt-5` |
| Azure | `gpt-35-turbo`, `azure/gpt-4o` |
| Ollama | `gpt-oss:20b`, `hf.co/org/model:Q4_K_M` |
| fine-tuned | `ft:gpt-4.1-mini-2025-04-14:org::id` |
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["LOCAL_PROVIDERS", "family_of", "spellings", "version_of"]

LOCAL_PROVIDERS = frozenset({"ollama", "vllm", "llamacpp", "lmstudio", "echo"})
"""Provider types whose models run on hardware of one's own: no vendor's price applies to them."""

_STATE = re.compile(
    r"(?:[-@:](?:20\d\d-\d\d-\d\d|20\d{6}|latest|default|\d{2}-20\d\d|\d{2}-\d{2})|-v\d+(?::\d+)?(?::\d+k)?|-\d{3}){1,8}$"
)
"""A model at a certain state: `-2025-04-14`, `@20250514`, `-latest`, `-v1:0`, `-03-2025`, `-001`."""
_REGION = re.compile(r"^(?:us-gov|us|eu|apac|ap|au|jp|ca|sa|uk|in|global)\.(?=[a-z])")
_MAKER = re.compile(
    r"^(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|ai21|qwen|google|writer|moonshotai)\.(?=[a-z])"
)
_ROUTED = re.compile(r":(?:free|nitro|online|thinking|extended|floor|beta|exacto|batch)$")
_VARIANT = re.compile(r"\[\w+\]$")
_QUANTISED = re.compile(r"[:-](?:q\d\w*|fp16|bf16|instruct|it)$", re.IGNORECASE)
_CLAUDE = re.compile(
    r"^claude-(?:v)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)-([a-z]+)|^claude-([a-z]+)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)"
)


def spellings(name: str) -> list[str]:
    """The names under which a model may be in the book, the most exact first, without repetitions."""
    found: dict[str, None] = {}
    for spelling in _spellings(name.strip().lower()):
        found.setdefault(spelling, None)
    return list(found)


def _spellings(name: str) -> Iterator[str]:
    for whole in _unwrapped(name):
        yield whole
        plain = _VARIANT.sub("", _ROUTED.sub("", whole))
        yield from _states(plain)
        bare = _MAKER.sub("", _REGION.sub("", plain))
        if bare != plain:
            yield from _states(_REGION.sub("", plain))
            yield from _states(bare)
        yield from _claude(bare)
        yield from _others(bare)


def _unwrapped(name: str) -> Iterator[str]:
    """The name without the path that some platforms put in front, step by step."""
    if name.startswith("ft:"):
        name = name[3:].partition(":")[0]
    if name.startswith("arn:"):
        name = name.rpartition(":")[2] if "/" not in name else name.partition("/")[2]
    name = name.lstrip("~")
    yield name
    while "/" in name:
        name = name.partition("/")[2]
        if name:
            yield name


def _states(name: str) -> Iterator[str]:
    yield name
    undated = _STATE.sub("", name)
    if undated and undated != name:
        yield undated
        yield f"{undated}-latest"
    elif not name.endswith("-latest"):
        yield f"{name}-latest"


def _claude(name: str) -> Iterator[str]:
    """`claude-opus-4.5` and `claude-4-5-opus` are `claude-opus-4-5`; Claude 3 has its line after the number."""
    match = _CLAUDE.match(name)
    if match is None:
        return
    major, minor, line = (match[1], match[2], match[3]) if match[1] else (match[5], match[6], match[4])
    version = f"{major}-{minor}" if minor else major
    version = version.removesuffix("-0")
    yield f"claude-{line}-{version}"
    yield f"claude-{version}-{line}"


def _others(name: str) -> Iterator[str]:
    if name.startswith("gpt-35"):
        yield from _states("gpt-3.5" + name[6:])
    if ":" in name:
        dashed = name.replace(":", "-")
        yield dashed
        smaller = _QUANTISED.sub("", name)
        if smaller != name:
            yield smaller.replace(":", "-")


_NUMBER = re.compile(r"^(?:v|k|r|m|o)?\d+(?:\.\d+)*[a-z]?$")
_OPENAI_O = re.compile(r"^o\d$")
_DATE = re.compile(r"^(?:20\d{6}|\d{4})$")


def _tokens(name: str) -> list[str]:
    # grok3, qwen3.8, llama-4: a number after the letters is a version all the same.
    return re.sub(r"(?<=[a-z]{3})(?=\d)", "-", _STATE.sub("", name)).split("-")


def family_of(name: str) -> str:
    """A name without versions, dates and sizes: `gpt-mini` of `gpt-5.4-mini-2026-03-05`, `claude-opus` of
    `claude-opus-4-5`."""
    bare = _MAKER.sub("", _REGION.sub("", name)).rpartition("/")[2]
    words = [
        re.sub(r"\d.*", "", token) if _OPENAI_O.match(token) else token
        for token in _tokens(bare)
        if token not in ("latest", "preview") and (_OPENAI_O.match(token) or not _NUMBER.match(token))
    ]
    return "-".join(words) or name


def version_of(name: str) -> tuple[float, ...]:
    """What orders the models of a family; larger is newer."""
    numbers: list[float] = []
    for token in _tokens(name):
        if _NUMBER.match(token) and not _DATE.match(token):
            numbers += [float(part) for part in re.findall(r"\d+", token)]
    return tuple(numbers)
