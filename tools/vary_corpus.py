"""Writes the conformance kit's cases with changes that mean nothing: `python tools/vary_corpus.py FOLDER [--seed N]`.

Then `check.py --corpus FOLDER` judges what was not tuned for: keys in another order, other spacing and escapes,
optional fields left out, fields and events that are not known yet, other models, longer texts, comments between
events. Each case gets some of them by the seed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_gateway_sdk.testing.recordings import kit_directory

OPTIONAL = frozenset(
    {
        "system_fingerprint", "service_tier", "obfuscation", "logprobs", "refusal", "annotations", "stop_details",
        "container", "inference_geo", "cache_creation", "prompt_tokens_details", "completion_tokens_details",
        "input_tokens_details_", "x_groq", "provider", "native_finish_reason", "avgLogprobs", "safetyRatings",
        "promptTokensDetails", "candidatesTokensDetails", "responseId", "metrics", "prompt_filter_results",
        "content_filter_results", "server_tool_use", "moderation",
    }
)  # fmt: skip
"""Fields of replies which a reader must be able to miss."""
STRANGE = "é\u0301 \u2028 𝕏 🧑‍🚀 \\n \"'"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kit = kit_directory()
    if kit is None:
        print("SKIPPED: the conformance kit is not here")
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for source in sorted((kit / "corpus").glob("*.jsonl")):
        lines = [line for line in source.read_text().splitlines() if line.strip()]
        varied = [vary(json.loads(line), options.seed) for line in lines]
        text = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in varied)
        (options.folder / source.name).write_text(text)
    return 0


def vary(case: dict[str, Any], seed: int) -> dict[str, Any]:
    """The case with some changes; which, the seed decides."""
    chance = random.Random(f"{case['id']}{seed}")
    chosen = [change for change in CHANGES if chance.random() < 0.5]
    for change in chosen:
        change(case, chance)
    case["source"]["changes"] = [*case["source"].get("changes", []), *(change.__name__ for change in chosen)]
    return case


# Requests.


def rename_model(case: dict[str, Any], chance: random.Random) -> None:
    """A later version of the model, in request and reply."""
    body = case["request"]["body"]
    model = body.get("model") if isinstance(body, dict) else None
    if case["provider"] in ("gemini", "bedrock") or not isinstance(model, str):
        return
    later = f"{model}-x"
    for side in (case["request"], case["response"]):
        for key in ("body", "sse"):
            if key in side:
                text = json.dumps(side[key]).replace(json.dumps(model), json.dumps(later))
                text = text.replace(f'\\"{model}\\"', f'\\"{later}\\"')
                side[key] = json.loads(text)


def lengthen(case: dict[str, Any], chance: random.Random) -> None:
    """The last text of the request, many times."""
    place = _last_text(case["request"]["body"])
    if place is not None:
        holder, key = place
        holder[key] = " ".join([holder[key]] * 200)


def make_strange(case: dict[str, Any], chance: random.Random) -> None:
    """Letters that are easily cut or taken for line ends."""
    place = _last_text(case["request"]["body"])
    if place is not None:
        holder, key = place
        holder[key] += STRANGE


def _last_text(body: Any) -> tuple[Any, Any] | None:
    if not isinstance(body, dict):
        return None
    found: tuple[Any, Any] | None = None
    for turn in body.get("messages") or body.get("contents") or []:
        if not isinstance(turn, dict) or turn.get("role") != "user":
            continue
        content = turn.get("content", turn.get("parts"))
        if isinstance(content, str) and content:
            found = (turn, "content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and isinstance(part.get("text"), str) and part["text"]:
                found = (part, "text")
    return found


# Both sides.


def shuffle(case: dict[str, Any], chance: random.Random) -> None:
    """Keys in another order, wherever the order means nothing."""
    case["request"]["body"] = _shuffled(case["request"]["body"], chance)
    _change_reply(case, lambda value: _shuffled(value, chance))


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        # The order of a schema's properties is the model's to see.
        return {key: inner if key == "properties" else _shuffled(inner, chance) for key, inner in items}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value


# Replies.


def omit(case: dict[str, Any], chance: random.Random) -> None:
    """Optional fields are missing."""
    _change_reply(case, _without_optional)


def _without_optional(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_optional(inner) for key, inner in value.items() if key not in OPTIONAL}
    return [_without_optional(item) for item in value] if isinstance(value, list) else value


def add(case: dict[str, Any], chance: random.Random) -> None:
    """Fields that are not known yet."""

    def added(value: Any) -> Any:
        return {**value, "x_new_field": {"a": [1, None, "ü"]}} if isinstance(value, dict) else value

    _change_reply(case, added)


def space(case: dict[str, Any], chance: random.Random) -> None:
    """Other white space and escapes, comments, fields of the event that are not needed."""
    if "sse" not in case["response"]:
        return
    ascii_only, wide = chance.random() < 0.5, chance.random() < 0.5
    lines = []
    for line in case["response"]["sse"].split("\n"):
        data = line[5:].strip() if line.startswith("data:") else ""
        if data.startswith("{"):
            try:
                body = json.loads(data)
            except ValueError:
                lines.append(line)
                continue
            separators = (" , ", " : ") if wide else (",", ":")
            line = "data:" + json.dumps(body, ensure_ascii=ascii_only, separators=separators)
        lines.append(line)
    text = "\n".join(lines)
    if chance.random() < 0.5:
        text = ": a comment\n\n" + text.replace("\n\n", "\n\n: another\n", 3)
    if chance.random() < 0.5:
        text = "retry: 3000\nid: 7\n" + text
    case["response"]["sse"] = text


def _change_reply(case: dict[str, Any], change: Callable[[Any], Any]) -> None:
    reply = case["response"]
    if "body" in reply and isinstance(reply["body"], dict):
        reply["body"] = change(reply["body"])
    if "sse" in reply:
        lines = []
        for line in reply["sse"].split("\n"):
            if line.startswith("data:") and line[5:].strip().startswith("{"):
                try:
                    line = "data: " + json.dumps(change(json.loads(line[5:])), ensure_ascii=False)
                except ValueError:
                    pass
            lines.append(line)
        reply["sse"] = "\n".join(lines)


CHANGES = (rename_model, lengthen, make_strange, shuffle, omit, add, space)

if __name__ == "__main__":
    sys.exit(main())
