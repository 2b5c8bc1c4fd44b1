"""One interaction: its conversation, and each of its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from llm_gateway_sdk.web import Child, Markup, current_shell, tag
from llm_gateway_sdk.wire import json

from .attempts import attempts, attempts_of
from .conversation import conversation, load, pretty
from .figures import count, duration, moment, money, seconds
from .filter import Filter
from .frame import badge, linked, page
from .snippets import snippets
from .waterfall import waterfall

__all__ = ["interaction_page"]

_HIDDEN: Final = "hidden."
_WIDE: Final = frozenset({"Error", "Tags"})
_INLINE_RAW: Final = 400_000
"""Longer bodies are offered as files only."""


def interaction_page(
    base: str, interaction: str, rows: Sequence[Mapping[str, Any]], origin: str = "https://gateway.example.com"
) -> str:
    """`origin` is the gateway's address, for commands that are to be copied."""
    last, everything = rows[-1], Filter(range="30d")
    exported = urlencode({"interaction": last["interaction_id"]})
    facts = (
        ("Started", f"{moment(rows[0]['ts'])} UTC"),
        ("Project", linked(base, everything, "project", [last["project"]])),
        ("Team", linked(base, everything, "team", [last["team"]])),
        ("Caller", linked(base, everything, "caller", [last["caller"]])),
        ("Session", linked(base, everything, "session", [last["session_id"]])),
        ("User", linked(base, everything, "user", [last["user_id"]])),
        ("Model", linked(base, everything, "model", [last["model_routed"]])),
        ("API", last["adapter"]),
        *_times(rows),
        ("Tokens", f"{count(_sum(rows, 'input_tokens'))} → {count(_sum(rows, 'output_tokens'))}"),
        ("Cost", _cost(rows)),
    )
    return page(
        base,
        "Interaction",
        "",
        tag("h1", "Interaction", badge(last["status"])),
        tag(
            "p",
            tag("code", interaction, class_="sub"),
            tag("a", "Export as JSON lines", href=f"{base}/export.jsonl?{exported}", class_="button"),
            _replay(base, last),
            class_="actions",
        ),
        tag(
            "dl",
            [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value],
            class_="facts panel",
        ),
        tag("h2", "Conversation"),
        conversation(load(last["request"]), load(last["response"])),
        tag("div", tag("b", last["error_kind"]), " ", last["error"], class_="failure") if last["error"] else None,
        tag("h2", f"{len(rows)} requests" if len(rows) > 1 else "Request"),
        [_round(base, row, origin, opened=len(rows) == 1) for row in rows],
    )


def _times(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """From the first request's arrival to the last reply's end; of several requests also the sum, for they may overlap
    or have a tool's work between them."""
    begins = [seconds(row["ts"]) for row in rows]
    ends = [begin + row["duration_us"] / 1e6 for begin, row in zip(begins, rows, strict=True)]
    times = [("Time", duration((max(ends) - min(begins)) * 1e6))]
    if len(rows) > 1:
        times.append(("In requests", duration(sum(row["duration_us"] for row in rows))))
    return times


def _replay(base: str, row: Mapping[str, Any]) -> Markup | None:
    """In a console with a playground, the way to send the request again."""
    shell = current_shell.get()
    if shell is not None and shell.playground is None and shell.user is not None:
        why = "needs the role operator"
        return tag("button", "Replay and compare", type="button", disabled=True, title=why)
    if shell is None or not row["request"]:
        return None
    if shell.playground is None:
        if shell.user is None:
            return None
        return tag("button", "Replay and compare", type="button", disabled=True, title="needs the role operator")
    recorded = f"{base}/requests/{row['request_id']}/request.json"
    query = urlencode({"replay": recorded, "project": row["project"], "model": row["model_routed"]})
    return tag("a", "Replay and compare", href=f"{shell.playground}?{query}", class_="button")


def _cost(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the requests cost together, and what has no price and is not in it."""
    known = [float(row["cost_usd"]) for row in rows if row["cost_usd"] is not None]
    lacking = sorted({kind for row in rows for kind in row["unpriced"]})
    if known and any(row["cost_usd"] is None and row["status"] == "ok" for row in rows):
        lacking.append("a model")
    shown = money(sum(known) if known else None)
    return f"{shown}, without {', '.join(lacking)}: no price" if lacking else shown


def _round(base: str, row: Mapping[str, Any], origin: str, *, opened: bool) -> Markup:
    summary = tag(
        "summary",
        tag("time", moment(row["ts"])[11:]),
        badge(row["status"]),
        tag("span", row["model_answered"] or row["model_routed"] or row["model_requested"] or row["operation"]),
        tag("span", duration(row["duration_us"]), class_="sub"),
        tag("span", f"{count(row['input_tokens'])} → {count(row['output_tokens'])} tokens", class_="sub")
        if row["input_tokens"] is not None or row["output_tokens"] is not None
        else None,
        tag("span", money(row["cost_usd"]), class_="sub") if row["cost_usd"] is not None else None,
        [tag("span", name, class_="chip") for name in row["tool_calls"][:6]],
    )
    made = attempts_of(row)
    facts = (
        ("Request id", tag("code", row["request_id"])),
        ("Asked for", row["model_requested"]),
        ("Routed to", f"{row['model_routed']} ({row['provider']})" if row["model_routed"] else ""),
        ("Answered by", row["model_answered"]),
        ("HTTP", f"{row['method']} {row['path']} → {row['http_status']}"),
        ("First token", duration(row["ttft_us"]) if row["ttft_us"] is not None else ""),
        ("Finish", " / ".join(dict.fromkeys(one for one in (row["finish_reason"], row["raw_finish_reason"]) if one))),
        ("Tokens", _tokens(row)),
        ("Cost", _cost([row])),
        ("Client", f"{row['client_ip']} {row['user_agent']}".strip()),
        ("Error", f"{row['error_kind']}: {row['error']}" if row["error"] else ""),
        (
            "Tags",
            ", ".join(f"{key}={value}" for key, value in row["tags"].items() if not key.startswith(_HIDDEN)),
        ),
    )
    return tag(
        "details",
        summary,
        tag("dl", [_fact(name, value) for name, value in facts if value], class_="facts"),
        waterfall(row, made),
        attempts(made),
        _explained(row),
        _hidden(row),
        tag("div", tag("h3", "Lost in translation"), tag("ul", [tag("li", loss) for loss in row["losses"]]))
        if row["losses"]
        else None,
        [_copied(row, title, text) for title, text in snippets(row, origin)],
        [_raw(base, row, name) for name in ("request", "response", "original")],
        tag("details", tag("summary", "headers"), tag("pre", pretty(json.dumps_text(row["headers"])))),
        class_="panel round",
        open=opened,
        id=f"r-{row['request_id']}",
    )


def _fact(name: str, value: Child) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value), class_="wide" if name in _WIDE else None)


def _explained(row: Mapping[str, Any]) -> Markup | None:
    """In a console that knows limits, the way to why a request was refused."""
    shell = current_shell.get()
    if shell is None or shell.explain is None or row["status"] != "refused":
        return None
    return tag(
        "p", tag("a", "Why was this refused?", href=f"{shell.explain}?{urlencode({'request': row['request_id']})}")
    )


def _hidden(row: Mapping[str, Any]) -> Markup | None:
    """What redaction hid: how often and what it was, never the text. In the conversation its place is marked."""
    counts = [(name.removeprefix(_HIDDEN), count) for name, count in row["tags"].items() if name.startswith(_HIDDEN)]
    if not counts:
        return None
    items = [tag("li", f"{name} × {count}") for name, count in counts]
    return tag("div", tag("h3", "Hidden by redaction"), tag("ul", items), class_="hidden-texts")


def _copied(row: Mapping[str, Any], title: str, text: str) -> Markup:
    place = f"{title.lower()}-{row['request_id']}"
    return tag(
        "details",
        tag("summary", f"as {title}"),
        tag("p", tag("button", "Copy", type="button", data_copy=place)),
        tag("pre", text, id=place, tabindex="0"),
    )


def _tokens(row: Mapping[str, Any]) -> str:
    kinds = (
        ("in", "input_tokens"),
        ("from cache", "cache_read_tokens"),
        ("to cache", "cache_write_tokens"),
        ("out", "output_tokens"),
        ("thinking", "reasoning_tokens"),
    )
    words = [f"{row[column]:,} {name}" for name, column in kinds if row[column] is not None]
    return ", ".join(words) + (" (estimated)" if row["usage_estimated"] and words else "")


def _raw(base: str, row: Mapping[str, Any], name: str) -> Markup | None:
    text = row[name]
    if not text:
        return None
    file = tag("a", "as a file", href=f"{base}/requests/{row['request_id']}/{name}.json")
    if len(text) > _INLINE_RAW:
        return tag("p", f"raw {name}, {len(text):,} characters: ", file)
    return tag("details", tag("summary", f"raw {name}"), tag("p", file), tag("pre", pretty(text)))


def _sum(rows: Sequence[Mapping[str, Any]], column: str) -> int | None:
    known = [row[column] for row in rows if row[column] is not None]
    return sum(known) if known else None
